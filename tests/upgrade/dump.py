"""A database of tonne as one compressed text, which restores on any later TimescaleDB.

A dump of the whole database holds TimescaleDB's own catalogue and goes to the same version of it
only; what is stored here has to be read for years. So tables are dumped without that catalogue, and
hypertables are made from tables again before their rows come.
"""

from __future__ import annotations

import lzma
import re
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local import postgres_server

_HYPERTABLES = """
SELECT hypertable_name, column_name, extract(epoch FROM time_interval)::int8
FROM timescaledb_information.dimensions WHERE hypertable_schema = 'public' ORDER BY 1
"""

#: Of what other versions of the programs write and do not read; TimescaleDB makes its own trigger.
_NOT_RESTORED = re.compile(
    r"^(?:\\(?:un)?restrict .*|SET transaction_timeout = 0;|CREATE TRIGGER ts_insert_blocker .*"
    r"|(?:CREATE|COMMENT ON) SCHEMA public\b.*)$",
    re.MULTILINE,
)


def _program(name: str) -> str:
    return postgres_server.find_programs().program(name)


def _section(url: str, name: str) -> str:
    command = [_program("pg_dump"), url, f"--section={name}", "--no-owner", "--no-privileges"]
    command += ["--schema=public", "--schema=history"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return _NOT_RESTORED.sub("", text)


def write(url: str, path: Path) -> None:
    """Dump a database."""
    parts = [_section(url, "pre-data")]
    with psycopg.connect(url) as connection:
        hypertables = connection.execute(_HYPERTABLES).fetchall()
        for table, column, seconds in hypertables:
            parts.append(
                f"SELECT public.create_hypertable('public.{table}', public.by_range('{column}',"
                f" interval '{seconds} seconds'), create_default_indexes => false);\n"
            )
        parts.append(_section(url, "data"))
        for table, _, _ in hypertables:
            parts.append(_rows(connection, table))
    parts.append(_section(url, "post-data"))
    path.write_bytes(lzma.compress("".join(parts).encode(), preset=9))


def _rows(connection: psycopg.Connection[tuple[object, ...]], table: str) -> str:
    columns = connection.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        (f"public.{table}",),
    ).fetchone()
    assert columns is not None
    statement = sql.SQL("COPY (SELECT {} FROM {} ORDER BY 1, 2) TO STDOUT").format(
        sql.SQL(str(columns[0])), sql.Identifier("public", table)
    )
    with connection.cursor().copy(statement) as copy:
        rows = b"".join(copy).decode()
    return f"COPY public.{table} ({columns[0]}) FROM stdin;\n{rows}\\.\n"


def restore(url: str, path: Path) -> None:
    """Fill an empty database with what :func:`write` wrote."""
    text = lzma.decompress(path.read_bytes()).decode()
    # TimescaleDB takes no statement for a hypertable without its chunks
    text = re.sub(r"^ALTER TABLE ONLY ", "ALTER TABLE ", text, flags=re.MULTILINE)
    command = [_program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    command += ["--output=/dev/null", "--single-transaction", "--dbname", url]
    subprocess.run(
        command,
        input=f"CREATE EXTENSION timescaledb;\n{text}",
        text=True,
        check=True,
        stderr=subprocess.PIPE,
    )
