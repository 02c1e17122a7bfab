#!/usr/bin/env bash
# Installs what is missing, says what it does, and does nothing where all is there.
#
#   bootstrap.sh python    the virtual environment with every Python package, the broker among them
#   bootstrap.sh run       that, and PostgreSQL with TimescaleDB unless TONNE_DATABASE_URL is set
#   bootstrap.sh test      that, and what only tests use: mosquitto and Chromium
#
# System packages need Debian or Ubuntu with root or password-less sudo.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=messages.sh
source "$here/messages.sh"
cd "$root"

what=${1:-run}
log=$(mktemp "${TMPDIR:-/tmp}/tonne-bootstrap.XXXXXX")
refuse_starts=/usr/sbin/policy-rc.d
made_refusal=
finish() {
  rm -f "$log"
  [ -z "$made_refusal" ] || as_root rm -f "$refuse_starts"
}
trap finish EXIT

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Ends the script unless system packages can be installed; TEXT says what they are for.
need_packages() {
  [ -e /etc/debian_version ] ||
    die "$1 is missing and this is neither Debian nor Ubuntu; install it, $2"
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null ||
    die "$1 is missing; run this as root or with sudo, or install it yourself, $2"
}

apt_updated=
# apt_install PACKAGE...: without starting any service, whose port might be another's.
apt_install() {
  if [ -z "$apt_updated" ]; then
    say "reading the package lists"
    quietly "$log" as_root apt-get update ||
      die "the package lists cannot be read ($(tail -n 1 "$log")); check the network"
    apt_updated=yes
  fi
  if [ ! -e "$refuse_starts" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$refuse_starts" >/dev/null
    as_root chmod 755 "$refuse_starts"
    made_refusal=yes
  fi
  quietly "$log" as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@" ||
    die "$* cannot be installed ($(grep -E '^E:' "$log" | tail -n 1)); check network and disk space"
}

# -- Python -------------------------------------------------------------------------------------

find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

install_python() {
  local wanted python
  wanted=$(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)-$root
  [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ] || return 0
  if ! python=$(find_python); then
    need_packages "Python 3.11 or newer" "then run this again"
    say "installing Python"
    apt_install python3 python3-venv
    python=$(find_python) || die "this release has no Python 3.11; install Python 3.11 or newer"
  fi
  say "making the virtual environment .venv with $("$python" --version)"
  if ! quietly "$log" "$python" -m venv --clear .venv; then
    need_packages "Python's venv module" "then run this again"
    apt_install python3-venv
    quietly "$log" "$python" -m venv --clear .venv ||
      die "the virtual environment cannot be made ($(tail -n 1 "$log"))"
  fi
  say "installing $(grep -c == requirements.lock) Python packages"
  quietly "$log" .venv/bin/pip install --disable-pip-version-check --require-hashes \
    -r requirements.lock ||
    die "Python packages cannot be installed ($(grep -iE 'error' "$log" | tail -n 1));" \
      "check the network and the disk space"
  quietly "$log" .venv/bin/pip install --disable-pip-version-check --no-deps \
    --no-build-isolation -e . ||
    die "tonne itself cannot be installed ($(tail -n 1 "$log"))"
  echo "$wanted" >.venv/installed
}

# -- PostgreSQL with TimescaleDB ----------------------------------------------------------------

has_timescaledb() {
  local control major
  for control in /usr/share/postgresql/*/extension/timescaledb.control; do
    [ -e "$control" ] || continue
    major=$(echo "$control" | cut -d/ -f5)
    [ "$major" -ge 15 ] && [ -x "/usr/lib/postgresql/$major/bin/postgres" ] && return 0
  done
  return 1
}

install_postgres() {
  ! has_timescaledb || return 0
  need_packages "PostgreSQL with TimescaleDB" "or set TONNE_DATABASE_URL to a database that has it"
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    # tonne makes a cluster of its own; the system's would only take a port and memory
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' |
      as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  say "installing PostgreSQL"
  apt_install postgresql
  local major
  major=$(find /usr/lib/postgresql -path '*/bin/postgres' | cut -d/ -f5 | sort -n | tail -n 1)
  [ "${major:-0}" -ge 15 ] || die "PostgreSQL ${major:-} is too old; tonne needs 15 or newer"
  if apt-cache show "postgresql-$major-timescaledb" >/dev/null 2>&1; then
    say "installing TimescaleDB"
    apt_install "postgresql-$major-timescaledb"
  else
    say "this release has no TimescaleDB package: building it from the distribution's source"
    apt_install "postgresql-server-dev-$major" cmake gcc make libc6-dev libssl-dev libkrb5-dev dpkg-dev
    as_root env MESSAGES_START="$MESSAGES_START" bash "$here/../postgres/build-timescaledb.sh" "$major"
  fi
  has_timescaledb || die "TimescaleDB was installed but PostgreSQL $major does not find it"
}

# -- what only tests use ------------------------------------------------------------------------

install_test_programs() {
  local missing=()
  [ -x /usr/sbin/mosquitto ] || command -v mosquitto >/dev/null || missing+=(mosquitto)
  command -v chromium >/dev/null || missing+=(chromium)
  [ ${#missing[@]} -gt 0 ] || return 0
  need_packages "${missing[*]}" "then run this again"
  say "installing ${missing[*]} for the tests"
  apt_install "${missing[@]}"
}

case "$what" in
  python) install_python ;;
  run)
    install_python
    [ -n "${TONNE_DATABASE_URL:-}" ] || install_postgres
    ;;
  test)
    install_python
    install_postgres
    install_test_programs
    ;;
  *) die "bootstrap.sh takes python, run or test, not '$what'" ;;
esac
