#!/bin/sh
# Prints a file of NATS' accounts as it is to become:
#
#   merge-accounts.sh MADE BEFORE
#
# MADE is what `tonne devices credentials --broker nats DEVICE...` says, BEFORE the file with the
# accounts of before, which stay, but for those that are made anew.
set -eu
awk 'NR == FNR { if (match($0, /user: "[^"]*"/)) made[substr($0, RSTART, RLENGTH)]; next }
     match($0, /user: "[^"]*"/) && (substr($0, RSTART, RLENGTH) in made) && /^    [{]user/ { next }
     /^  \]/ { exit } { print }' "$1" "$2"
grep '^    {user: ' "$1"
printf '  ]\n}\n'
