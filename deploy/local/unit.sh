#!/usr/bin/env bash
# The fast tests, half of them by each of two processes; further words go to both. One that hands
# tests out to workers and gathers what they say takes a quarter more: each worker collects them all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

half=(tests/unit/ingest tests/unit/store)
run() {
  .venv/bin/python -m pytest -m "not thorough" --hypothesis-profile=quick -p no:cacheprovider "$@"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run "${half[@]}" "$@" >"$log" 2>&1 &
first=0 second=0
run tests/unit "${half[@]/#/--ignore=}" "$@" || second=$?
wait $! || first=$?
cat "$log"
# 5: none of this half's tests were chosen, which is well where some of the other's were
[ "$first" != 5 ] || first=$second
[ "$second" != 5 ] || second=$first
exit $((first > second ? first : second))
