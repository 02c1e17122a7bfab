#!/bin/sh
# What the image's entrypoint does, for the tests: a cluster at the first start, then the server.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # shellcheck disable=SC2086 # several options
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth=scram-sha-256 \
    $POSTGRES_INITDB_ARGS >/tmp/initdb.log
  printf '%s\n' "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  {
    echo "listen_addresses = '*'"
    echo "unix_socket_directories = '/var/run/postgresql'"
    echo "shared_preload_libraries = 'timescaledb'"
    # nothing here outlives the machine
    echo "fsync = off"
  } >>"$PGDATA/postgresql.conf"
  PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  export PGPASSWORD
  pg_ctl -w -o "-c listen_addresses=" start >/dev/null
  createdb --host=/var/run/postgresql --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -w -m fast stop >/dev/null
  unset PGPASSWORD
fi
exec "$@"
