#!/usr/bin/env bash
# The programs that `make sbom` and `make audit` need, in .tonne/release-tools; prints its path.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=.tonne/release-tools
wanted=$(sha256sum deploy/release/requirements.lock | cut -d' ' -f1)
if [ "$(cat "$tools/made-of" 2>/dev/null)" != "$wanted" ]; then
  .venv/bin/python -m venv --clear "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    -r deploy/release/requirements.lock >&2
  echo "$wanted" >"$tools/made-of"
fi
echo "$tools"
