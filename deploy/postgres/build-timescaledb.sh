#!/usr/bin/env bash
# Builds TimescaleDB (Apache-2 edition) for one PostgreSQL major from the distribution's own source
# package and installs it there. For releases that carry PostgreSQL but no TimescaleDB package: the
# source package is the one of the distribution's next release.
#
#   build-timescaledb.sh MAJOR     (as root)
#
# The machine's package lists and sources stay as they are: apt works on a temporary directory. The
# address is the one that the machine itself uses for its release.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../local/messages.sh
source "$here/../local/messages.sh"

major=$1
pg_config=/usr/lib/postgresql/$major/bin/pg_config
# shellcheck source=/dev/null
source /etc/os-release
case "$VERSION_CODENAME" in
  bookworm) origin=Debian next=trixie keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;;
  noble) origin=Ubuntu next=resolute keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
  *) die "no TimescaleDB package is known for $PRETTY_NAME; install TimescaleDB >= 2.19 for" \
    "PostgreSQL $major, or set TONNE_DATABASE_URL to a database that has it" ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/tonne-timescaledb.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/source"

archive=$(apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' \
  'Created-By: Packages' 2>/dev/null |
  awk -F'|' -v o="$origin" -v c="$VERSION_CODENAME" '$1 == o && $2 == c { print $4; exit }')
[ -n "$archive" ] || die "apt knows no source for $VERSION_CODENAME; run apt-get update first"
component=main
[ "$origin" = Ubuntu ] && component=universe

echo "deb-src [signed-by=$keyring] $archive $next $component" >"$work/sources.list"
apt_aside=(
  -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Sandbox::User=root
)

say "TimescaleDB: taking $NAME's own source package from $next"
quietly "$work/apt.log" apt-get "${apt_aside[@]}" update --error-on=any ||
  die "the package lists of $next cannot be read ($(tail -n 1 "$work/apt.log"));" \
    "check the network, or set TONNE_DATABASE_URL"
(cd "$work/source" && quietly "$work/apt.log" apt-get "${apt_aside[@]}" source timescaledb) ||
  die "TimescaleDB's source package cannot be had ($(tail -n 1 "$work/apt.log"));" \
    "check the network, or set TONNE_DATABASE_URL"

source_dir=$(find "$work/source" -mindepth 1 -maxdepth 1 -type d -name 'timescaledb-*')
say "TimescaleDB: building ${source_dir##*/} for PostgreSQL $major"
quietly "$work/build.log" cmake -S "$source_dir" -B "$work/build" -DPG_CONFIG="$pg_config" \
  -DAPACHE_ONLY=1 -DREGRESS_CHECKS=OFF -DWARNINGS_AS_ERRORS=OFF -DCMAKE_BUILD_TYPE=Release &&
  quietly "$work/build.log" make -C "$work/build" -j "$(nproc)" install || {
  tail -n 20 "$work/build.log" >&2
  die "TimescaleDB did not build (see above); free some disk space or install TimescaleDB >= 2.19" \
    "for PostgreSQL $major by hand"
}
say "TimescaleDB: installed"
