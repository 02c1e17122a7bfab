"""Store the database of a version: ``python -m tests.upgrade VERSION [CODE]``.

CODE: a directory with that version's code; this checkout if it is left out. To store one is a step
of each release: see deploy/docs/operate/releases.md.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psycopg

from tests.repository.files import ROOT
from tests.services import Mosquitto, Postgres, server_directory
from tests.upgrade import answers, dump
from tests.upgrade.fill import tell
from tests.upgrade.releases import RELEASES, Release
from tests.upgrade.version import Version

_TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1
"""


def main(name: str, code: Path) -> None:
    """Fill a database by that code, and store it."""
    with ExitStack() as stack:
        postgres = Postgres(stack.enter_context(server_directory(for_postgres=True)))
        mosquitto = Mosquitto(stack.enter_context(server_directory()))
        for server in (postgres, mosquitto):
            server.start()
            stack.callback(server.stop)
        postgres.execute("CREATE DATABASE tonne")
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        version = Version(
            code=code,
            database_url=postgres.url_of("tonne"),
            mqtt_url=mosquitto.url,
            directory=place,
        )
        story = tell(version)
        asked = answers.calls(story.now)
        with version.serving("api"):
            said = answers.ask(version, asked)
        verified = version.run("verify")
        if verified.returncode != 0:
            story.refused.append(f"tonne verify: {verified.stdout[-3000:]}")
        _store(name, code, version, story.refused, story.now.isoformat(), said)


def _store(
    name: str, code: Path, version: Version, refused: list[str], now: str, said: dict[str, object]
) -> None:
    with psycopg.connect(version.database_url) as connection:
        tables = [table for (table,) in connection.execute(_TABLES).fetchall()]
        rows = {
            table: connection.execute(f'SELECT count(*) FROM "{table}"'.encode()).fetchone()[0]  # type: ignore[index]  # noqa: S608
            for table in tables
        }
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert revision is not None
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=code, capture_output=True, text=True, check=True
    ).stdout.strip()
    release = Release(
        version=name, commit=commit, revision=revision[0], made_at=now, refused=refused, rows=rows
    )
    (RELEASES / name).mkdir(parents=True, exist_ok=True)
    dump.write(version.database_url, release.database)
    release.write(said)
    for line in refused:
        sys.stdout.write(f"refused: {line}\n")
    empty = [table for table, count in rows.items() if count == 0]
    sys.stdout.write(f"without rows: {', '.join(empty)}\n")
    sys.stdout.write(f"{release.database}: {release.database.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else ROOT)
