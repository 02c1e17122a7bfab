#!/bin/sh
# Builds dist/tonne_VERSION~debN_ARCH.deb for Debian 12 or 13 on any machine with dpkg-deb and pip:
#
#   build.sh 12
#
# The Python packages are the locked ones, as wheels for that Debian's Python, each checked against its
# hash; they lie in /usr/lib/tonne/lib and meet no other package of the system.
set -eu
umask 022

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/deploy/debian
release=${1:-12}
case "$release" in
  12) python=3.11 next=3.12 glibc=36 ;;
  13) python=3.13 next=3.14 glibc=41 ;;
  *) echo "build.sh takes 12 or 13, not $release" >&2; exit 2 ;;
esac
machine=$(uname -m)
architecture=$(dpkg --print-architecture)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml")~deb$release
pip="$root/.venv/bin/python -m pip --disable-pip-version-check"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/wheels" "$tree/root/usr/lib/tonne/lib" "$tree/root/DEBIAN"

# what wheels of that Debian's C library may ask for, newest first
platforms=''
while [ "$glibc" -ge 17 ]; do
  platforms="$platforms --platform manylinux_2_${glibc}_$machine"
  glibc=$((glibc - 1))
done
platforms="$platforms --platform manylinux2014_$machine"

# what the wheel needs to run, at the locked versions: the rest of the lock is for development
$pip wheel -q --no-deps --no-index --no-build-isolation -w "$tree/wheels" "$root"
"$root/.venv/bin/python" "$here/runtime_requirements.py" "$python" --wheels >"$tree/requirements.txt"
# shellcheck disable=SC2086 # several options
$pip install -q --no-deps --require-hashes --only-binary :all: --no-compile \
  --implementation cp --python-version "$python" $platforms \
  --target "$tree/root/usr/lib/tonne/lib" -r "$tree/requirements.txt"
$pip install -q --no-deps --no-index --no-compile --only-binary :all: --python-version "$python" \
  --target "$tree/root/usr/lib/tonne/lib" --upgrade "$tree"/wheels/tonne-*.whl
# bootstrap.sh checked their hashes
for name in $("$root/.venv/bin/python" "$here/runtime_requirements.py" "$python" --sources); do
  cp -r "$root"/.venv/lib/python3*/site-packages/"$name" \
    "$root"/.venv/lib/python3*/site-packages/"$name"-*.dist-info "$tree/root/usr/lib/tonne/lib"
done
rm -rf "$tree/root/usr/lib/tonne/lib/bin"

install -D -m 755 "$here/tonne-service" "$tree/root/usr/lib/tonne/bin/tonne"
install -D -m 755 "$here/tonne-command" "$tree/root/usr/bin/tonne"
install -D -m 644 "$here/tonne.env" "$tree/root/etc/tonne/tonne.env"
install -D -m 644 "$root/deploy/systemd/tonne.sysusers.conf" "$tree/root/usr/lib/sysusers.d/tonne.conf"
for unit in "$root"/deploy/systemd/*.service "$root"/deploy/systemd/*.target \
  "$root"/deploy/systemd/*.timer; do
  install -D -m 644 "$unit" "$tree/root/usr/lib/systemd/system/${unit##*/}"
done
install -D -m 644 "$root/deploy/systemd/tonne-.service.d/10-common.conf" \
  "$tree/root/usr/lib/systemd/system/tonne-.service.d/10-common.conf"
install -D -m 644 "$root/LICENSE" "$tree/root/usr/share/doc/tonne/copyright"

sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@PYTHON@/$python/" \
  -e "s/@NEXT@/$next/" -e "s/@SIZE@/$(du -sk "$tree/root" | cut -f1)/" \
  "$here/control" >"$tree/root/DEBIAN/control"
echo /etc/tonne/tonne.env >"$tree/root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
  install -m 755 "$here/$script" "$tree/root/DEBIAN/$script"
done
mkdir -p "$root/dist"
dpkg-deb --root-owner-group -Zzstd --build "$tree/root" "$root/dist/tonne_${version}_$architecture.deb"
