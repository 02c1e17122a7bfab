# shellcheck shell=bash
# How the set-up scripts speak: one line for each thing done, one sentence when something fails.

MESSAGES_START=${MESSAGES_START:-$(date +%s)}
export MESSAGES_START

# say SENTENCE: prints it with the seconds since set-up began.
say() {
  printf '[%3ds] %s\n' "$(($(date +%s) - MESSAGES_START))" "$*"
}

# die SENTENCE: prints it to standard error and ends the script.
die() {
  printf 'tonne: %s\n' "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs the command with its output in LOG; returns its exit code.
quietly() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 </dev/null
}
