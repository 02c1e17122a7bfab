# shellcheck shell=bash
# The virtual environment .venv with the packages of requirements.lock. Sourced by bootstrap.sh in
# the repository's root.

# Hash of what decides the content of .venv; it holds paths, so it does not survive a move.
_wanted_packages() {
  { pwd && cat requirements.lock pyproject.toml; } | sha256sum | cut -d' ' -f1
}

# Prints the first Python >= 3.11 on PATH; fails if there is none.
_find_python() {
  local name
  for name in python3 python3.11 python3.12 python3.13 python3.14; do
    if command -v "$name" >/dev/null &&
      "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  return 1
}

# Whether $1 can make virtual environments.
_can_make_venv() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null
}

install_python_packages() {
  local stamp=.venv/installed python log wanted
  wanted=$(_wanted_packages)
  if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    return
  fi
  need_disk_mb . 1500
  python=$(_find_python) || python=
  if [ -z "$python" ] || ! _can_make_venv "$python"; then
    can_install || die "Python >= 3.11 with its venv module is missing; install python3-venv"
    say "installing Python"
    install_packages python3 python3-venv
    python=$(_find_python) || die "this system's Python is older than 3.11; install Python 3.11"
  fi
  log=$(mktemp)
  if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "making .venv with $("$python" --version)"
    quietly "$log" "$python" -m venv --clear .venv ||
      die "the virtual environment cannot be made: $(tail -n 1 "$log")"
  fi
  say "installing $(grep -c '^[a-z]' requirements.lock) Python packages into .venv"
  quietly "$log" .venv/bin/python -m pip install --disable-pip-version-check --require-hashes \
    -r requirements.lock ||
    die "the Python packages cannot be installed ($(grep -m 1 ^ERROR "$log" || tail -n 1 "$log"));" \
      "check the network and free disk space, and run the command again"
  quietly "$log" .venv/bin/python -m pip install --disable-pip-version-check --no-deps \
    --no-build-isolation -e . ||
    die "tonne itself cannot be installed into .venv: $(tail -n 1 "$log")"
  rm -f "$log"
  printf '%s\n' "$wanted" >"$stamp"
  say "Python packages installed"
}

# Installs the packages of the lock file $1 into the folder $2, away from those of .venv: programs of
# others run with them, and tonne is not installed with any of them.
install_apart() {
  local lock=$1 target=$2 log
  ! cmp -s "$lock" "$target/requirements.lock" || return 0
  say "installing $(grep -c '^[a-z]' "$lock") packages into $target"
  rm -rf "$target"
  log=$(mktemp)
  quietly "$log" .venv/bin/python -m pip install --disable-pip-version-check --require-hashes \
    --target "$target" -r "$lock" ||
    die "$lock cannot be installed: $(grep -m 1 ^ERROR "$log" || tail -n 1 "$log")"
  rm -f "$log"
  cp "$lock" "$target"
}

# Builds the documentation that the API serves, unless it is there and of today's sources.
build_documentation() {
  .venv/bin/python -m deploy.site || die "the documentation cannot be built; see above"
}
