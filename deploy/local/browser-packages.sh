# shellcheck shell=bash
# What tests of pages run in the browser: axe-core, of tests/e2e/axe/package-lock.json, into
# .venv/axe. Sourced by bootstrap.sh in the repository's root, after messages and system packages.

install_browser_packages() {
  local folder=tests/e2e/axe target=.venv/axe wanted log
  wanted=$(sha256sum "$folder/package-lock.json" | cut -d' ' -f1)
  [ "$(cat "$target/installed" 2>/dev/null)" != "$wanted" ] || return 0
  if ! command -v npm >/dev/null; then
    can_install || die "npm is missing for the tests of pages; install it"
    say "installing npm for the tests of pages"
    install_packages npm
  fi
  say "installing axe-core for the tests of pages"
  mkdir -p "$target"
  cp "$folder/package.json" "$folder/package-lock.json" "$target"
  log=$(mktemp)
  # the lock names each package's digest; scripts of packages are not run
  quietly "$log" npm ci --prefix "$target" --include=dev --ignore-scripts --no-audit --no-fund ||
    die "axe-core cannot be installed: $(tail -n 1 "$log")"
  rm -f "$log"
  printf '%s\n' "$wanted" >"$target/installed"
}
