#!/bin/sh
# Prints the Secrets that deploy/kubernetes needs, each with passwords made now:
#
#   kubectl create namespace tonne
#   deploy/kubernetes/secrets.sh --certificate tls.crt --key tls.key --authority ca.crt |
#     kubectl create -f -
#
# The certificate is the broker's: for nats.tonne.svc and mqtt.tonne.svc, *.nats-cluster.tonne.svc, and
# the name that devices use. `create` refuses Secrets that are there, so nothing is changed twice.
set -eu
umask 077

die() {
  echo "secrets.sh: $*" >&2
  exit 1
}

certificate='' key='' authority=''
while [ "$#" -gt 0 ]; do
  [ "$#" -gt 1 ] || die "$1 needs a value"
  case "$1" in
    --certificate) certificate=$2 ;;
    --key) key=$2 ;;
    --authority) authority=$2 ;;
    *) die "takes --certificate, --key and --authority, not $1" ;;
  esac
  shift 2
done
for file in "$certificate" "$key" "$authority"; do
  [ -n "$file" ] || die "name --certificate, --key and --authority, files in PEM"
  [ -r "$file" ] || die "$file cannot be read"
done
users=$(dirname "$0")/../nats/nats-users.conf

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# secret NAME TYPE: opens one; entry KEY: what comes in, as one of its values.
secret() {
  printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: tonne}\ntype: %s\ndata:\n' \
    "$1" "$2"
}
entry() {
  printf '  %s: %s\n' "$1" "$(base64 | tr -d '\n')"
}

owner=$(random)
secret db-owner kubernetes.io/basic-auth
printf tonne | entry username
printf %s "$owner" | entry password
printf 'postgresql://tonne:%s@db-rw:5432/tonne' "$owner" | entry url

for login in ingest aggregate notify api backup admin; do
  password=$(random)
  secret "login-$login" Opaque
  printf '*:*:*:tonne_%s:%s\n' "$login" "$password" | entry pgpass
  printf 'postgresql://tonne_%s:%s@db-rw:5432/tonne' "$login" "$password" | entry url
  # the standbys, which the API reads from
  [ "$login" != api ] || printf 'postgresql://tonne_%s:%s@db-ro:5432/tonne?target_session_attrs=standby' \
    "$login" "$password" | entry reads
done

ingest=$(random)
notify=$(random)
secret nats-users Opaque
sed -e "s/\$NATS_INGEST_PASSWORD/\"$ingest\"/" -e "s/\$NATS_NOTIFY_PASSWORD/\"$notify\"/" \
  -e '/^#/d' "$users" | entry nats-users.conf

secret broker-ingest Opaque
printf 'tls://tonne-ingest:%s@nats.tonne.svc:4222' "$ingest" | entry nats
printf 'mqtts://tonne-ingest:%s@mqtt.tonne.svc:8883' "$ingest" | entry mqtt
entry ca <"$authority"
secret broker-notify Opaque
printf 'mqtts://tonne-notify:%s@mqtt.tonne.svc:8883' "$notify" | entry mqtt
entry ca <"$authority"

secret nats-tls kubernetes.io/tls
entry tls.crt <"$certificate"
entry tls.key <"$key"
entry ca.crt <"$authority"
