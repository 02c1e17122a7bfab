#!/bin/sh
# Makes accounts of devices at the broker, with passwords that are shown this once; all others stay:
#
#   deploy/kubernetes/credentials.sh linz/cems-1
#   deploy/kubernetes/credentials.sh --facility linz
#
# It takes the pod of admin.yaml. `tonne devices credentials` by itself writes a file with new passwords
# of tonne's own accounts, too, by which ingest and the notifier would be shut out.
set -eu
umask 077

die() {
  echo "credentials.sh: $*" >&2
  exit 1
}

[ "$#" -gt 0 ] || die "name the devices, such as linz/cems-1, or --facility linz"
accounts=$(dirname "$0")/../nats/merge-accounts.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kubectl -n tonne get secret nats-users -o 'jsonpath={.data.nats-users\.conf}' | base64 -d >"$work/before"
[ -s "$work/before" ] || die "the Secret nats-users has no accounts; secrets.sh makes it"
kubectl -n tonne exec admin -- tonne devices credentials --broker nats "$@" >"$work/made" ||
  die "no account was made or changed; the pod admin has to run: deploy/kubernetes/admin.yaml"
"$accounts" "$work/made" "$work/before" >"$work/nats-users.conf"
kubectl -n tonne create secret generic nats-users --from-file="$work/nats-users.conf" \
  --dry-run=client -o yaml | kubectl -n tonne replace -f - >/dev/null ||
  die "the Secret nats-users cannot be replaced; no account was made or changed"
sed -n '/^# ---- passwords/,$p' "$work/made"
