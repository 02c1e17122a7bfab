# shellcheck shell=bash
# What comes from the distribution: PostgreSQL, TimescaleDB and the tests' programs. Sourced by
# bootstrap.sh. No service of the system is started: each checkout runs its own servers.

readonly OLDEST_POSTGRES=15
# 290 MB are chromium, 250 MB what TimescaleDB is built with
readonly NEEDED_MB=1500

# need_disk_mb DIRECTORY MEGABYTES: ends the script when fewer are free.
need_disk_mb() {
  local free
  free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$2" ] ||
    die "the disk of $(cd "$1" && pwd) has $free MB free, $2 MB are needed; free some space"
}

# Whether packages can be installed: Debian's tools, and root or sudo.
can_install() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || _can_sudo; }
}

_can_sudo() {
  command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# _apt LOG ARGUMENTS...: apt-get without questions.
_apt() {
  local log=$1
  shift
  quietly "$log" as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

_lists_are_fresh=

# Reads the package lists, once: a machine that is new has none.
_read_lists() {
  local log
  [ -z "$_lists_are_fresh" ] || return 0
  log=$(mktemp)
  _apt "$log" update ||
    die "the package lists cannot be read ($(tail -n 1 "$log")); check the network"
  rm -f "$log"
  _lists_are_fresh=1
}

# Whether the release has the package, as far as the lists here know. What apt-cache prints is read to
# its end: it fails when nobody listens any more.
_is_available() {
  [ -n "$(apt-cache policy "$1" 2>/dev/null | grep 'Candidate: [0-9]')" ]
}

# install_packages NAME...: without what they merely recommend, and without starting services.
install_packages() {
  local log policy=/usr/sbin/policy-rc.d own_policy=
  log=$(mktemp)
  need_disk_mb /var "$NEEDED_MB"
  _read_lists
  if ! [ -e "$policy" ]; then
    own_policy=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  local status=0
  _apt "$log" install -y --no-install-recommends "$@" || status=$?
  [ -z "$own_policy" ] || as_root rm -f "$policy"
  [ "$status" = 0 ] ||
    die "$* cannot be installed ($(grep -m 1 '^E:' "$log" || tail -n 1 "$log"));" \
      "check the network and free disk space, and run the command again"
  rm -f "$log"
}

# Prints the newest installed PostgreSQL major that tonne works on; fails if there is none.
_postgres_major() {
  local major
  for major in $(ls /usr/lib/postgresql 2>/dev/null | sort -rn); do
    if [ "$major" -ge "$OLDEST_POSTGRES" ] && [ -x "/usr/lib/postgresql/$major/bin/postgres" ]; then
      echo "$major"
      return
    fi
  done
  return 1
}

_has_timescaledb() {
  [ -e "/usr/share/postgresql/$1/extension/timescaledb.control" ]
}

_install_postgres() {
  local major clusters=/etc/postgresql-common/createcluster.conf
  say "installing PostgreSQL"
  install_packages postgresql-common
  major=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
  [ -n "$major" ] && [ "$major" -ge "$OLDEST_POSTGRES" ] ||
    die "this release has PostgreSQL ${major:-none}, $OLDEST_POSTGRES is needed;" \
      "install a newer one with TimescaleDB, or set TONNE_DATABASE_URL"
  # the package would make a cluster of the system's own, on port 5432
  as_root cp -p "$clusters" "$clusters.before-tonne"
  echo 'create_main_cluster = false' | as_root tee "$clusters" >/dev/null
  install_packages "postgresql-$major"
  as_root mv "$clusters.before-tonne" "$clusters"
}

install_database() {
  local major
  [ -z "${TONNE_DATABASE_URL:-}" ] || return 0
  major=$(_postgres_major) || major=
  if [ -n "$major" ] && _has_timescaledb "$major"; then
    return
  fi
  can_install ||
    die "PostgreSQL >= $OLDEST_POSTGRES with TimescaleDB is missing, and installing it takes Debian" \
      "or Ubuntu with root or sudo; run this as root, or set TONNE_DATABASE_URL to a database"
  if [ -z "$major" ]; then
    _install_postgres
    major=$(_postgres_major)
  fi
  _read_lists
  if _is_available "postgresql-$major-timescaledb"; then
    say "installing TimescaleDB"
    install_packages "postgresql-$major-timescaledb"
    return
  fi
  say "installing what TimescaleDB is built with"
  install_packages "postgresql-server-dev-$major" cmake gcc g++ make dpkg-dev patch xz-utils \
    libssl-dev libkrb5-dev
  as_root env MESSAGES_START="$MESSAGES_START" \
    "$PWD/deploy/postgres/build-timescaledb.sh" "$major"
}

# Sets missing_browser to the one to install for the tests, if any. Chromium's shell draws no window,
# and takes less than half of the computing for a page; not every release has it.
_find_missing_browser() {
  missing_browser=
  [ ! -x /usr/bin/chromium-headless-shell ] || return 0
  if can_install; then
    # where there is a browser, nothing has to be installed, and no list to be read each time
    [ -x /usr/bin/chromium ] || _read_lists
    if _is_available chromium-headless-shell; then
      missing_browser=chromium-headless-shell
      return
    fi
  fi
  [ -x /usr/bin/chromium ] || missing_browser=chromium
}

install_test_programs() {
  local missing=() missing_browser
  [ -x /usr/sbin/mosquitto ] || command -v mosquitto >/dev/null || missing+=(mosquitto)
  command -v mosquitto_sub >/dev/null || missing+=(mosquitto-clients)
  _find_missing_browser
  [ -z "$missing_browser" ] || missing+=("$missing_browser")
  # promtool tests the rules; alerts are told to the real Alertmanager
  command -v promtool >/dev/null || missing+=(prometheus)
  command -v prometheus-alertmanager >/dev/null || missing+=(prometheus-alertmanager)
  # what stands in for containers, and asks at them
  command -v bwrap >/dev/null || missing+=(bubblewrap)
  command -v busybox >/dev/null || missing+=(busybox)
  command -v curl >/dev/null || missing+=(curl)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v openssl >/dev/null || missing+=(openssl)
  # it judges how far units are confined
  command -v systemd-analyze >/dev/null || missing+=(systemd)
  # a database whose clock jumps
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
  [ "${#missing[@]}" -gt 0 ] || return 0
  can_install || die "${missing[*]} is missing for the tests; install it"
  say "installing ${missing[*]} for the tests"
  install_packages "${missing[@]}"
  _disable_services mosquitto prometheus prometheus-alertmanager
}

# What a clean Debian is made by, which the Debian package is tried on.
install_package_test_programs() {
  [ "$(id -u)" = 0 ] || die "a clean Debian is made and booted by root only; run this as root"
  [ ! -x /usr/sbin/debootstrap ] || return 0
  can_install || die "debootstrap is missing to try the Debian package; install it"
  say "installing debootstrap"
  install_packages debootstrap
}

# What many machines agree by who is the primary, what cuts machines off from each other, and what
# lets the clock of one jump.
install_cluster_programs() {
  local missing=()
  [ -x /usr/bin/etcd ] || missing+=(etcd-server)
  command -v ip >/dev/null || missing+=(iproute2)
  [ -x /usr/sbin/nft ] || missing+=(nftables)
  compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
  [ "${#missing[@]}" -gt 0 ] || return 0
  can_install || die "${missing[*]} is missing for the cluster; install it"
  say "installing ${missing[*]} for the cluster"
  install_packages "${missing[@]}"
  _disable_services etcd nftables
}

# _disable_services NAME...: at the next boot they would take ports, or filter packets.
_disable_services() {
  local name
  command -v systemctl >/dev/null || return 0
  for name in "$@"; do
    as_root systemctl disable "$name" >/dev/null 2>&1 || true
  done
}
