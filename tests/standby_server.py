"""A PostgreSQL that follows another one by streaming replication."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from deploy.local import postgres_server
from tests.patience import until
from tests.services import Postgres


class StandbyServer(Postgres):
    """A copy of a running cluster, which goes on with what that one writes."""

    def __init__(self, directory: Path, primary: Postgres) -> None:
        self._primary = primary
        super().__init__(directory)

    def make_cluster(self) -> None:
        """Copy the primary's files while it runs."""
        done = subprocess.run(
            [
                *postgres_server.as_server_user(),
                self._programs.program("pg_basebackup"),
                f"--dbname={self._primary.url}",
                f"--pgdata={self.data_dir}",
                "--checkpoint=fast",
                "--write-recovery-conf",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, done.stderr

    def has_replayed(self, primary: Postgres) -> bool:
        """Whether it shows what the primary has written."""
        upto = one(primary.url, "SELECT pg_current_wal_flush_lsn()::text")
        return bool(one(self.url, f"SELECT pg_last_wal_replay_lsn() >= '{upto}'::pg_lsn"))

    def catch_up(self) -> None:
        """Wait until it shows what the primary has written."""
        until(lambda: self.has_replayed(self._primary), "the standby has all of the primary")

    def pause(self) -> None:
        """Let it show nothing more once this returns: replay ends a moment after it is told."""
        self.execute("SELECT pg_wal_replay_pause()")
        until(
            lambda: one(self.url, "SELECT pg_get_wal_replay_pause_state()") == "paused",
            "the standby stands still",
        )

    def resume(self) -> None:
        """Let it show what comes."""
        self.execute("SELECT pg_wal_replay_resume()")

    @contextmanager
    def without_patience(self) -> Iterator[None]:
        """Let replay wait for nobody who reads, and the primary know of none."""
        impatient = {"hot_standby_feedback": "off", "max_standby_streaming_delay": "0"}
        for name, value in impatient.items():
            self.execute(f"ALTER SYSTEM SET {name} = {value}")
        self.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            for name in impatient:
                self.execute(f"ALTER SYSTEM RESET {name}")
            self.execute("SELECT pg_reload_conf()")

    def follow(self, primary: Postgres) -> None:
        """Go on with what another server writes, such as one that was promoted."""
        self._primary = primary
        self.execute(
            "ALTER SYSTEM SET primary_conninfo ="
            f" 'host=127.0.0.1 port={primary.port} user={postgres_server.SUPERUSER}'"
        )
        self.execute("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make it a primary of its own, which begins a timeline."""
        self.execute("SELECT pg_promote()")
        until(
            lambda: not one(self.url, "SELECT pg_is_in_recovery()"), "the standby becomes a primary"
        )


def demote(server: Postgres, *, follows: str) -> None:
    """Let a server that stands still follow another one when it is started again."""
    stands = server.data_dir.stat()
    owner = stands.st_uid, stands.st_gid
    for name, text in (
        ("standby.signal", ""),
        ("postgresql.auto.conf", f"primary_conninfo = '{follows}'\n"),
    ):
        file = server.data_dir / name
        with file.open("a") as settings:
            settings.write(text)
        shutil.chown(file, *owner)


def one(url: str, query: str) -> object:
    """The one value that a query has."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]
