#!/usr/bin/env bash
# Every static check, each to its end; fails if one of them does.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

failed=()
check() {
  echo "$1: ${*:2}"
  "${@:2}" || failed+=("$1")
}

check ruff .venv/bin/ruff check
check format .venv/bin/ruff format --check
check types .venv/bin/mypy
check "types of deploy" .venv/bin/mypy -p deploy.cluster -p deploy.local -p deploy.reference -p deploy.site
check imports .venv/bin/lint-imports
check names .venv/bin/python -m pytest -q -p no:cacheprovider tests/repository/test_names.py
# A site that is there was built strictly from these very sources, or it is built now.
check documentation .venv/bin/python -m deploy.site
check dockerfile .venv/bin/hadolint --failure-threshold warning deploy/Dockerfile
[ ! -e deploy/compose.yaml ] || check compose .venv/bin/check-jsonschema \
  --builtin-schema vendor.compose-spec deploy/compose.yaml deploy/compose.certificates.yaml

if [ "${#failed[@]}" -gt 0 ]; then
  printf 'lint failed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
  exit 1
fi
