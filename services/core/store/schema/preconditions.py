"""What a server and a database must have before the schema can be made in it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from services.core.store.schema import ddl

#: The oldest PostgreSQL and TimescaleDB that the schema is tested with.
OLDEST_POSTGRESQL: Final = 15
OLDEST_TIMESCALEDB: Final = (2, 19)

_SERVER: Final = text("""
SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version'),
       pg_is_in_recovery(), pg_encoding_to_char(encoding), datname
FROM pg_database WHERE datname = current_database()
""")

#: TimescaleDB's loader defines its settings when the server starts. One that a file of settings
#: names has a value without it, too, and is no row of the view.
_EXTENSION: Final = text("""
SELECT default_version, installed_version,
       EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.max_background_workers')
FROM pg_available_extensions WHERE name = 'timescaledb'
""")


class MigrationError(RuntimeError):
    """The database cannot carry tonne's schema; the message says what to do."""


def require(connection: Connection, *, load: bool = True) -> None:
    """Refuse a server or a database that the schema cannot be made in; ``load`` TimescaleDB.

    :raises MigrationError: with what to do.
    """
    major, version, is_standby, encoding, name = connection.execute(_SERVER).one()
    if major < OLDEST_POSTGRESQL:
        raise MigrationError(
            f"PostgreSQL {version} is too old; tonne needs {OLDEST_POSTGRESQL} or newer"
        )
    if is_standby:
        raise MigrationError(
            "the server is a standby, which cannot be written; let TONNE_DATABASE_URL name the"
            " primary"
        )
    if encoding != "UTF8":
        raise MigrationError(
            f"the database {name} has the encoding {encoding}, which cannot hold every text; tonne"
            " needs UTF8: make another one with `createdb --encoding=UTF8 --locale=C.UTF-8"
            " --template=template0 NAME` and let TONNE_DATABASE_URL name it"
        )
    _require_timescaledb(connection)
    if load:
        ddl.create_extension(connection)


def _require_timescaledb(connection: Connection) -> None:
    extension = connection.execute(_EXTENSION).one_or_none()
    if extension is None:
        raise MigrationError(
            "TimescaleDB is not installed on this PostgreSQL server; install the package"
            " postgresql-NN-timescaledb and set shared_preload_libraries = 'timescaledb'"
        )
    available, installed, is_preloaded = extension
    needed = ".".join(map(str, OLDEST_TIMESCALEDB))
    if _parts(available) < OLDEST_TIMESCALEDB:
        raise MigrationError(f"TimescaleDB {available} is too old; install {needed} or newer")
    if not is_preloaded:
        raise MigrationError(
            "the server has not loaded TimescaleDB; set shared_preload_libraries = 'timescaledb'"
            " in postgresql.conf and restart PostgreSQL"
        )
    if installed is not None and _parts(installed) < OLDEST_TIMESCALEDB:
        raise MigrationError(
            f"the database has TimescaleDB {installed}, which is too old, and the server"
            f" {available}; run `psql -X -c 'ALTER EXTENSION timescaledb UPDATE'` as its owner"
        )


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
