"""``python -m tests.faults.drill``: back up, destroy everything, restore, verify; and what it took.

A gateway publishes at QoS 1 while a backup is made and the database's log is followed. Then every
process is killed and the data of PostgreSQL and NATS are deleted; what survives is the folder of
backups, as it would on another machine. The even drills are destroyed once all is quiet, and must
come back equal to the bit; the odd ones under load, and tell what a total loss costs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from services.core.backup import folder as backup_folder
from services.core.store.schema.tables import metadata
from tests.command import tonne
from tests.faults.books import Books, Entry
from tests.faults.facility import FACILITY, entries
from tests.faults.publisher import Publisher
from tests.faults.rounds import settled, wait_until_quiet
from tests.faults.world import SCHEMES, Source, World, running_world
from tests.patience import pauses
from tests.services import Server, free_port, server_directory

_MESSAGES = 1500
#: Of a quiet drill; under load it must not be through before all is destroyed.
_QUIET_PER_S, _PER_S = 300.0, 60.0

#: What processes say of themselves while they run, and the log of what was done.
_LIVELY = frozenset({"process_progress", "broker_session", "audit_entry"})

_READINGS = """
SELECT d.slug || '.' || c.slug, (extract(epoch FROM r.ts) * 1000)::int8
FROM reading r JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id
"""

Key = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Drill:
    """What a total loss cost."""

    under_load: bool
    acknowledged: int
    #: acknowledged, and not there after the restore
    lost: int
    #: from when the oldest of them was acknowledged until the destruction
    lost_s: float
    #: from the destruction until ingest and aggregator were at work again
    restored_in_s: float
    backup_mb: float
    equal: bool
    verified: bool

    @property
    def passed(self) -> bool:
        """Whether what is promised was kept."""
        return self.verified and (self.under_load or (self.equal and not self.lost))


class TimedBooks(Books):
    """Books that know when each reading was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[Key, float] = {}

    def acknowledged(self, entry: Entry) -> None:
        """Enter a message, and when it was acknowledged."""
        super().acknowledged(entry)
        for channel in entry.values:
            self.at[f"{entry.device}.{channel}", entry.ts_ms] = time.monotonic()


def play(source: Source, seed: int, number: int, folder: Path) -> Drill:
    """Play one drill with servers of its own; ``folder`` is empty and survives the destruction."""
    dice = random.Random(f"{seed}/{number}")
    under_load = number % 2 == 1
    books = TimedBooks()
    with running_world(source) as world, _settings(world, folder):
        publisher = Publisher(world.broker.port, books)
        try:
            with _following(folder, world.postgres.url) as follower:
                rate = _PER_S if under_load else _QUIET_PER_S
                publisher.send(FACILITY, list(entries(number, _MESSAGES, dice)), rate)
                _wait(lambda: len(books.at) > dice.randrange(1, 200))
                taken = tonne(world.postgres.url, "backup")
                assert taken.code == 0, taken.said
                if under_load:
                    at_least = len(books.at) + dice.randrange(50, 300)
                    _wait(lambda: len(books.at) > at_least)
                    assert not publisher.done
                    before = ""
                else:
                    stuck = wait_until_quiet(world, publisher, books)
                    assert not stuck, stuck
                    _kill(world.ingest, world.aggregator)
                    before = digest(world)
                    _wait(lambda: _is_followed(world))
                _kill(*reversed(world.servers))
                follower.kill()
            destroyed, promised = time.monotonic(), dict(books.at)
            after = _restored(world, folder)
            for server in world.servers:
                server.start()
            restored_in_s = time.monotonic() - destroyed
            _wait(lambda: publisher.done and not books.at.keys() - promised - _stored(world))
            _wait(lambda: settled(world))
            missing = promised.keys() - _stored(world)
            verified = tonne(world.postgres.url, "verify")
        finally:
            publisher.close()
    size = backup_folder.about(backup_folder.backups(folder)[-1]).size
    return Drill(
        under_load=under_load,
        acknowledged=len(promised),
        lost=len(missing),
        lost_s=round(max((destroyed - promised[key] for key in missing), default=0.0), 3),
        restored_in_s=round(restored_in_s, 1),
        backup_mb=round(size / 1e6, 1),
        equal=after == before,
        verified=verified.code == 0,
    )


def _restored(world: World, folder: Path) -> str:
    """Delete all data, restore the newest backup, and return the digest of what is there then."""
    cluster, store = world.postgres.data_dir, world.broker.directory / "store"
    for directory in (cluster, store):
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    database = tonne(world.postgres.url, "restore", folder, "--into", cluster)
    assert database.code == 0, database.said
    world.postgres.start()
    _wait(lambda: not _ask(world, "SELECT pg_is_in_recovery()"))
    # where no device finds it: whoever connects makes streams anew
    port, world.broker.port = world.broker.port, free_port()
    world.broker.start()
    broker = tonne(world.postgres.url, "restore", folder, "--broker")
    assert broker.code == 0, broker.said
    world.broker.stop()
    world.broker.port = port
    assert not (cluster / "followed_wal").exists()
    return digest(world)


def digest(world: World) -> str:
    """SHA-256 over every row of every table, whatever order they are stored in."""
    found = hashlib.sha256()
    with world.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name in _LIVELY:
                continue
            rows = sorted(
                str(row[0])
                for row in connection.execute(
                    sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table.name))
                )
            )
            found.update(f"{table.name}\n".encode())
            found.update("\n".join(rows).encode())
    return found.hexdigest()


def _stored(world: World) -> set[Key]:
    with world.connect() as connection:
        return {(str(row[0]), int(str(row[1]))) for row in connection.execute(_READINGS)}


def _is_followed(world: World) -> bool:
    return bool(
        _ask(
            world,
            "SELECT count(*) FROM pg_stat_replication"
            " WHERE application_name LIKE 'pg_receivewal%' AND flush_lsn >= pg_current_wal_lsn()",
        )
    )


def _ask(world: World, question: str) -> object:
    with world.connect() as connection:
        row = connection.execute(question.encode()).fetchone()
    return row and row[0]


def _wait(condition: Callable[[], object]) -> None:
    for pause_s in pauses():
        try:
            if condition():
                return
        except psycopg.OperationalError:
            pass
        time.sleep(pause_s)
    raise AssertionError("what was waited for did not happen")


def _kill(*servers: Server) -> None:
    for server in servers:
        server.kill()


@contextmanager
def _settings(world: World, folder: Path) -> Iterator[None]:
    settings = {
        "TONNE_BACKUP": str(folder),
        "TONNE_BACKUP_BROKER_URL": world.broker.nats_url,
    }
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]


@contextmanager
def _following(folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Follow the database's log as an operator does, from the first piece on."""
    program = Path(sys.executable).with_name("tonne")
    log = folder / "wal.log"
    with log.open("wb") as said:
        follower = subprocess.Popen(
            [program, "backup", "wal"],
            env={**os.environ, "TONNE_DATABASE_URL": url},
            stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip
    try:
        _wait(lambda: list(backup_folder.wal_folder(folder).glob("*.partial")))
        yield follower
    finally:
        follower.kill()
        follower.wait()


def main() -> int:
    """Play the drills; 0 if the promise was kept in every one."""
    parser = argparse.ArgumentParser(prog="make drill")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--source", choices=list(SCHEMES), default="mqtt")
    given = parser.parse_args()
    failed = 0
    for number in range(given.rounds):
        with server_directory() as folder:
            played = play(given.source, given.seed, number, folder)
        failed += not played.passed
        print(  # noqa: T201 - the progress of a long run
            f"drill {number} {'under load' if played.under_load else 'quiet'}:"
            f" {played.acknowledged} readings acknowledged, {played.lost} lost of the last"
            f" {played.lost_s} s; at work again {played.restored_in_s} s after the loss of"
            f" everything; backup {played.backup_mb} MB"
            + ("" if played.passed else f"  FAILED {played}"),
            flush=True,
        )
    print(f"{given.rounds} drills, {failed} failed")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
