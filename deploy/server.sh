#!/bin/sh
# tonne on a server, with Docker Compose: makes every secret and the first admin, and starts it all.
#
#   server.sh up                                   for this machine only, at https://localhost
#   server.sh up --host NAME                       for others, by a certificate of an authority of its own
#   server.sh up --host NAME --acme EMAIL          HTTPS by a certificate of Let's Encrypt
#   server.sh up --host NAME --certificate FILE --key FILE [--authority FILE]
#                                                  HTTPS and MQTT by a certificate of yours
#   server.sh credentials FACILITY/DEVICE...       accounts of devices at the broker, with passwords
#   server.sh certificates DIRECTORY [FACILITY/DEVICE...]
#                                                  certificates of devices, by an authority in DIRECTORY
#   server.sh up --devices certificates            devices show these from now on, none a password;
#                                                  back: --devices passwords
#   server.sh revoke FACILITY/DEVICE [--serial N]  certificates that let nobody in any more
#   server.sh renew                                what is due of all certificates, for a timer; says
#                                                  what it did, and what you have to do
#   server.sh backup [--keep N]                    a backup into BACKUP_DIR, see operate/backup.md
#   server.sh tonne COMMAND...                     any other command of tonne, as who administers;
#                                                  the authority's DIRECTORY is /authority there
#
# `up` again changes no secret: it starts what is not running, and renews the own certificate in its
# last month. Secrets are files in deploy/secrets, a directory that only its owner can enter; in it
# they can be read by everybody, since in the containers other users read them.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
secrets=$here/secrets
settings=$here/.env

die() {
  echo "server.sh: $*" >&2
  exit 1
}

compose() {
  if by_certificates; then
    docker compose -f "$here/compose.yaml" -f "$here/compose.certificates.yaml" "$@"
  else
    docker compose -f "$here/compose.yaml" "$@"
  fi
}

# Whether devices show certificates at the broker.
by_certificates() {
  [ "$(setting TONNE_DEVICES)" = certificates ]
}

# make FILE: puts what comes in into a file of the secrets, unless it is there. Never half of it.
make() {
  if [ -s "$secrets/$1" ]; then
    cat >/dev/null
  else
    cat >"$secrets/$1.new"
    chmod 444 "$secrets/$1.new"
    mv "$secrets/$1.new" "$secrets/$1"
  fi
}

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# setting NAME: prints what deploy/.env says of it.
setting() {
  [ ! -e "$settings" ] || sed -n "s/^$1=//p" "$settings" | tail -n 1
}

# remember NAME VALUE: into deploy/.env, in the place of what it says.
remember() {
  touch "$settings"
  { grep -v "^$1=" "$settings" || true; echo "$1=$2"; } >"$settings.new"
  mv "$settings.new" "$settings"
}

# An authority of our own and its certificate for this host, the broker's name among its names.
make_certificate() {
  command -v openssl >/dev/null || die "openssl is missing; install it, or give --certificate and --key"
  own=$secrets/own-authority
  mkdir -p "$own"
  if ! [ -s "$own/ca.key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -sha256 \
      -subj "/CN=tonne's own authority at $1" -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
      -addext keyUsage=critical,keyCertSign,cRLSign \
      -keyout "$own/ca.key.new" -out "$own/ca.crt" 2>/dev/null || die "openssl makes no authority"
    mv "$own/ca.key.new" "$own/ca.key"
  fi
  if [ -s "$own/for" ] && [ "$(cat "$own/for")" = "$1" ] &&
    openssl x509 -in "$secrets/tls_certificate" -noout -checkend 2592000 >/dev/null 2>&1; then
    return
  fi
  case "$1" in
    *[!0-9.]*) name=DNS:$1 ;;
    *) name=IP:$1 ;;
  esac
  printf 'subjectAltName=%s,DNS:nats,DNS:localhost,IP:127.0.0.1\n%s\n%s\n' "$name" \
    'extendedKeyUsage=serverAuth' 'basicConstraints=critical,CA:FALSE' >"$own/extensions"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -subj "/CN=$1" \
    -keyout "$own/server.key" -out "$own/server.csr" 2>/dev/null || die "openssl makes no request"
  openssl x509 -req -in "$own/server.csr" -CA "$own/ca.crt" -CAkey "$own/ca.key" -sha256 -days 820 \
    -set_serial "0x$(random | cut -c1-30)" -extfile "$own/extensions" -out "$own/server.crt" \
    2>/dev/null || die "openssl makes no certificate"
  # into the same files, which containers have mounted
  put "$own/server.key" tls_key
  put "$own/server.crt" tls_certificate
  put "$own/ca.crt" ca
  rm -f "$own/server.key" "$own/server.csr" "$own/server.crt" "$own/extensions"
  echo "$1" >"$own/for"
}

# put FILE NAME: into a secret's file, in place.
put() {
  [ -r "$1" ] || die "$1 cannot be read"
  touch "$secrets/$2"
  chmod 644 "$secrets/$2"
  cat "$1" >"$secrets/$2"
  chmod 444 "$secrets/$2"
}

# When NATS read its settings, as it says itself; nothing where it does not run.
settings_read() {
  compose exec -T nats wget -qO- http://127.0.0.1:8222/varz 2>/dev/null |
    sed -n 's/.*"config_load_time": *"\([^"]*\)".*/\1/p'
}

# reload_broker WHAT: lets NATS read its settings again, and returns when it has; else says so, and fails.
reload_broker() {
  before=$(settings_read)
  [ -n "$before" ] || {
    echo "server.sh: NATS does not run, and reads $1 when it starts: server.sh up" >&2
    return 1
  }
  refusal=$(compose exec -T nats nats-server -t --config /etc/nats/tonne.conf 2>&1) || {
    printf '%s\nserver.sh: NATS refuses its settings and goes on without %s\n' "$refusal" "$1" >&2
    return 1
  }
  compose kill -s HUP nats
  waited=0
  until read=$(settings_read) && [ -n "$read" ] && [ "$read" != "$before" ]; do
    [ "$waited" -lt 30 ] || {
      echo "server.sh: NATS has not read $1 within 30 s; see: docker compose -f $here/compose.yaml logs nats" >&2
      return 1
    }
    sleep 1
    waited=$((waited + 1))
  done
}

make_secrets() {
  mkdir -p "$secrets"
  chmod 700 "$secrets"
  for kind in notifier alertmanager; do
    mkdir -p "$secrets/$kind"
    chmod 755 "$secrets/$kind"
  done
  random | make database_password
  printf 'postgresql://tonne:%s@timescaledb:5432/tonne\n' "$(cat "$secrets/database_password")" |
    make owner_database_url
  random | make grafana_admin_password
  if ! [ -s "$secrets/nats_users" ]; then
    ingest=$(random)
    notify=$(random)
    printf 'mqtts://tonne-ingest:%s@%s:8883\n' "$ingest" "$1" | make ingest_mqtt_url
    printf 'mqtts://tonne-notify:%s@%s:8883\n' "$notify" "$1" | make notifier_mqtt_url
    # the shipped accounts, with their passwords
    sed -e "s/\$NATS_INGEST_PASSWORD/\"$ingest\"/" -e "s/\$NATS_NOTIFY_PASSWORD/\"$notify\"/" \
      -e '/^#/d' "$here/nats/nats-users.conf" | make nats_users
  fi
  # inside their network NATS itself is spoken to in the clear
  sed -e 's/^mqtts:/nats:/' -e 's/@.*$/@nats:4222/' "$secrets/ingest_mqtt_url" | make backup_broker_url
  # it has to be there before the API can say what is in it
  [ -e "$secrets/grafana_api_key" ] || echo none >"$secrets/grafana_api_key"
  chmod 644 "$secrets/grafana_api_key"
}

# take_certificates: what the broker and tonne need of the authority, into files of theirs; fails where
# nothing of it has changed.
take_certificates() {
  authority=$(setting TONNE_AUTHORITY)
  mkdir -p "$secrets/certificates"
  chmod 755 "$secrets/certificates"
  printf 'mqtts://%s:8883\n' "$(setting TONNE_BROKER)" >"$secrets/certificates/url.new"
  taken=1
  take "$secrets/certificates/url.new" mqtt_url
  rm -f "$secrets/certificates/url.new"
  take "$authority/backup-broker-url" backup_broker_url
  take "$authority/authority.pem" authority
  take "$authority/certificates/tonne-ingest/key.pem" ingest_key
  take "$authority/certificates/tonne-ingest/certificate.pem" ingest_certificate
  take "$authority/certificates/tonne-notify/key.pem" notifier_key
  take "$authority/certificates/tonne-notify/certificate.pem" notifier_certificate
  take "$authority/nats-users.conf" nats_users
  return "$taken"
}

# take FILE NAME: as put, of certificates, where it differs.
take() {
  [ -r "$1" ] || die "$1 cannot be read; make it: server.sh certificates DIRECTORY"
  cmp -s "$1" "$secrets/certificates/$2" || {
    put "$1" "certificates/$2"
    taken=0
  }
}

# rename_broker NAME: what tonne's processes call the broker, if it was another name before.
rename_broker() {
  for name in ingest_mqtt_url notifier_mqtt_url; do
    sed "s/@.*:8883/@$1:8883/" "$secrets/$name" >"$secrets/$name.renamed"
    cmp -s "$secrets/$name" "$secrets/$name.renamed" || put "$secrets/$name.renamed" "$name"
    rm -f "$secrets/$name.renamed"
  done
}

up() {
  host=$(setting TONNE_HOST)
  mail='' certificate='' key='' authority='' devices=$(setting TONNE_DEVICES)
  while [ "$#" -gt 0 ]; do
    [ "$#" -gt 1 ] || die "$1 needs a value"
    case "$1" in
      --host) host=$2 ;;
      --acme) mail=$2 ;;
      --certificate) certificate=$2 ;;
      --key) key=$2 ;;
      --authority) authority=$2 ;;
      --devices) devices=$2 ;;
      *) die "up takes --host, --acme, --certificate, --key, --authority and --devices, not $1" ;;
    esac
    shift 2
  done
  host=${host:-localhost}
  case "$host" in *[!A-Za-z0-9.-]* | -* | .*) die "$host is no host name; take letters, digits, . and -" ;; esac
  [ -z "$certificate" ] || [ -n "$key" ] || die "--certificate needs --key"
  case "${devices:=passwords}" in passwords) ;;
    certificates)
      [ -n "$(setting TONNE_AUTHORITY)" ] ||
        die "there are no certificates of devices yet; make them, and bring each device its own: server.sh certificates DIRECTORY" ;;
    *) die "--devices takes certificates or passwords, not $devices" ;;
  esac
  mkdir -p "$secrets"
  shown=$(cat "$secrets/tls_certificate" 2>/dev/null) || shown=''
  files='/run/secrets/tls_certificate /run/secrets/tls_key'
  broker=nats
  if [ -n "$certificate" ]; then
    put "$certificate" tls_certificate
    put "$key" tls_key
    # tonne trusts the broker by it: whoever signed the certificate
    put "${authority:-/etc/ssl/certs/ca-certificates.crt}" ca
    broker=$host
    rm -f "$secrets/own-authority/for"
    remember TONNE_TLS "$files"
  elif [ "$(setting TONNE_BROKER)" != "" ] && [ "$(setting TONNE_BROKER)" != nats ] &&
    [ "$(setting TONNE_HOST)" = "$host" ]; then
    # a certificate that was given before stays
    broker=$(setting TONNE_BROKER)
  else
    make_certificate "$host"
    if [ -n "$mail" ]; then
      remember TONNE_TLS "$mail"
    elif [ "$(setting TONNE_TLS)" = "" ] || [ "$(setting TONNE_HOST)" != "$host" ]; then
      remember TONNE_TLS "$files"
    fi
  fi
  make_secrets "$broker"
  rename_broker "$broker"
  remember TONNE_HOST "$host"
  remember TONNE_BROKER "$broker"
  changed=''
  [ "$devices" = passwords ] || ! take_certificates || changed=1
  remember TONNE_DEVICES "$devices"
  if [ "$host" = localhost ]; then
    remember TONNE_BIND 127.0.0.1
  else
    remember TONNE_BIND 0.0.0.0
  fi
  compose build
  if [ "$(cat "$secrets/grafana_api_key")" = none ]; then
    compose run --rm -T admin keys create grafana >"$secrets/grafana_api_key.new"
    put "$secrets/grafana_api_key.new" grafana_api_key
    rm -f "$secrets/grafana_api_key.new"
  fi
  compose up -d --wait
  [ -z "$changed" ] || reload_broker "the certificates" || exit 1
  show_certificate "$shown"
  first_admin
  echo "tonne runs at https://$host"
  [ "$(setting TONNE_TLS)" != "$files" ] || [ "$broker" != nats ] ||
    echo "Browsers and devices trust it by $secrets/ca, a certificate to hand out"
  if by_certificates; then
    echo "Devices show certificates, and nobody comes in by a password: server.sh certificates FACILITY/DEVICE"
  else
    echo "Devices get accounts by: server.sh credentials FACILITY/DEVICE"
    [ -n "$(setting TONNE_AUTHORITY)" ] ||
      echo "No certificates of devices were made; to have some: server.sh certificates DIRECTORY"
  fi
}

# show_certificate BEFORE: lets those who run show the server's certificate, where it is another one.
show_certificate() {
  [ -n "$1" ] && [ "$(cat "$secrets/tls_certificate")" != "$1" ] || return 0
  reload_broker "the server's new certificate" || exit 1
  compose restart caddy
  echo "Broker and HTTPS show the server's new certificate"
}

# The account admin, with a password that is shown this once, unless somebody has an account.
first_admin() {
  accounts=$(compose run --rm -T admin users list --json) || die "the accounts cannot be listed"
  [ "$(printf %s "$accounts" | tr -d ' \n')" = "[]" ] || return 0
  password=$(random)
  printf '%s\n' "$password" |
    compose run --rm -T admin users create admin --role admin --password-stdin >/dev/null ||
    die "the account admin cannot be made"
  if [ -t 1 ] || [ -n "${TONNE_SHOW_PASSWORD:-}" ]; then
    echo "Sign in as admin with the password $password; change it: server.sh tonne users password admin"
  else
    echo "The account admin is there; set its password: server.sh tonne users password admin"
  fi
}

# Accounts of devices: their lines go into the broker's file, their passwords to who asked.
credentials() {
  [ "$#" -gt 0 ] || die "name the devices, such as linz/cems-1, or --facility linz"
  ! by_certificates || die "devices show certificates here, and no passwords: server.sh certificates $*"
  made=$secrets/credentials.new
  compose run --rm -T admin devices credentials --broker nats "$@" >"$made" || {
    cat "$made" >&2
    rm -f "$made"
    exit 1
  }
  "$here/nats/merge-accounts.sh" "$made" "$secrets/nats_users" >"$secrets/nats_users.new"
  cp "$secrets/nats_users" "$secrets/nats_users.before"
  put "$secrets/nats_users.new" nats_users
  if reload_broker "the new accounts"; then
    sed -n '/^# ---- passwords/,$p' "$made"
  else
    put "$secrets/nats_users.before" nats_users
    rm -f "$made" "$secrets"/nats_users.*
    die "no account was made or changed"
  fi
  rm -f "$made" "$secrets"/nats_users.*
}

# Certificates of devices and of tonne's own accounts, by an authority in a directory, which is made at
# first; again: those that are missing or due. Where devices show them, the broker has them on return.
certificates() {
  case "${1:-}" in
    /*)
      directory=$1
      shift ;;
    *)
      directory=$(setting TONNE_AUTHORITY)
      [ -n "$directory" ] ||
        die "name the directory of the authority by its whole path, such as /srv/tonne-authority" ;;
  esac
  mkdir -p "$directory"
  chmod 700 "$directory"
  # whom the containers run as
  [ "$(stat -c %u "$directory")" = 10001 ] || chown 10001:10001 "$directory" 2>/dev/null ||
    die "$directory has to be user 10001's: chown 10001:10001 $directory"
  said=$secrets/certificates.new
  compose run --rm -T -v "$directory:/authority" admin devices credentials --tls --broker nats \
    --into /authority "$@" >"$said" || {
    cat "$said" >&2
    rm -f "$said"
    exit 1
  }
  # NATS' own protocol goes on with a password, which is made at first
  sed -n 's/^tonne-ingest \([^/ ]*\)$/nats:\/\/tonne-ingest:\1@nats:4222/p' "$said" >"$said.url"
  if [ -s "$said.url" ]; then
    chmod 600 "$said.url"
    mv "$said.url" "$directory/backup-broker-url"
  fi
  remember TONNE_AUTHORITY "$directory"
  made=$(sed -n -e '/^# ---- password/d' -e "s#/authority/#$directory/#p" "$said")
  rm -f "$said" "$said.url"
  if [ -n "$made" ]; then
    echo "$made"
    echo "Bring each device its own"
    by_certificates || echo "Then let the broker ask for them: server.sh up --devices certificates"
  fi
  ! by_certificates || ! take_certificates || reload_broker "the new certificates" || exit 1
}

# Certificates of a device that let nobody in from now on; a connection that has one ends.
revoke() {
  directory=$(setting TONNE_AUTHORITY)
  [ -n "$directory" ] || die "there are no certificates of devices: server.sh certificates DIRECTORY"
  [ "$#" -gt 0 ] || die "name the device, such as linz/cems-1"
  compose run --rm -T -v "$directory:/authority" admin devices revoke --into /authority "$@" ||
    die "nothing was revoked"
  ! by_certificates || ! take_certificates || reload_broker "the revocation" || exit 1
}

# What is due of all certificates; fails where somebody has to do something.
renew() {
  shown=$(cat "$secrets/tls_certificate")
  [ "$(setting TONNE_BROKER)" != nats ] || make_certificate "$(setting TONNE_HOST)"
  show_certificate "$shown"
  [ -z "$(setting TONNE_AUTHORITY)" ] || certificates
  openssl x509 -in "$secrets/tls_certificate" -noout -checkend 2592000 >/dev/null ||
    die "the server's certificate ends within a month ($(openssl x509 -in "$secrets/tls_certificate" \
      -noout -enddate)); give it the next one: server.sh up --certificate FILE --key FILE"
}

# Any command of tonne, as who administers; it sees the authority of devices, if there is one. What
# computes hours takes the aggregator's login.
administer() {
  directory=$(setting TONNE_AUTHORITY)
  case "${1:-}" in
    verify | recompute) compose run --rm aggregator "$@" ;;
    *) compose run --rm ${directory:+-v "$directory:/authority"} admin "$@" ;;
  esac
}

verb=${1:-}
[ "$#" -eq 0 ] || shift
case "$verb" in
  credentials | certificates | revoke | renew | backup | tonne)
    [ -s "$secrets/owner_database_url" ] || die "there is no server here yet; make it: server.sh up" ;;
esac
case "$verb" in
  up) up "$@" ;;
  credentials) credentials "$@" ;;
  certificates) certificates "$@" ;;
  revoke) revoke "$@" ;;
  renew) renew ;;
  backup) compose run --rm -T backup backup "$@" ;;
  tonne) administer "$@" ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; [ "$verb" = help ] || exit 2 ;;
esac
