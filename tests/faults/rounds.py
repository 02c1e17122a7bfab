"""One round: publish while things go wrong, heal, wait until all is quiet, compare."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import psycopg

from tests.faults.books import Books
from tests.faults.facility import FACILITY, entries
from tests.faults.nemesis import FAULTS, Fault, strike
from tests.faults.oracle import Findings, compare
from tests.faults.publisher import Publisher
from tests.faults.world import World
from tests.patience import PATIENCE_S

_MESSAGES_PER_S = 250.0


@dataclass(frozen=True, kw_only=True)
class Played:
    """What any round did, and what it found."""

    number: int
    faults: tuple[str, ...]
    #: from the end of the last fault until everything was stored and added up
    recovery_s: float
    findings: Findings
    #: empty, or what never happened
    stuck: str = ""

    @property
    def passed(self) -> bool:
        """Whether the promise was kept."""
        return self.findings.clean and not self.stuck

    def record(self) -> dict[str, object]:
        """As a line of the journal."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Round(Played):
    """A round of a gateway."""

    messages: int


def planned(
    seed: int, number: int, *, disks: bool, always: str | None = None
) -> tuple[tuple[Fault, ...], random.Random]:
    """The faults of a round; the same for the same seed and number. ``always``: one of each."""
    dice = random.Random(f"{seed}/{number}")
    possible = [fault for fault in FAULTS if disks or "disk" not in fault.name]
    # every fault in its turn, others at random beside it
    first = possible[number % len(possible)]
    others = dice.sample([f for f in possible if f is not first], dice.choice([0, 0, 1, 2]))
    chosen = [first, *others]
    chosen += [f for f in possible if f.name == always and f not in chosen]
    dice.shuffle(chosen)
    return tuple(chosen), dice


def play(
    world: World,
    publisher: Publisher,
    books: Books,
    seed: int,
    number: int,
    *,
    always: str | None = None,
) -> Round:
    """Play one round; the world is healthy before and after."""
    faults, dice = planned(seed, number, disks=world.database_disk.mounted, always=always)
    messages = dice.randrange(400, 900)
    publisher.send(FACILITY, list(entries(number, messages, dice)), _MESSAGES_PER_S)
    pauses = tuple(dice.uniform(0.05, 1.2) for _ in range(len(faults) + 1))
    strike(world, faults, pauses)
    world.heal()
    healed = time.monotonic()
    stuck = wait_until_quiet(world, publisher, books)
    recovery_s = time.monotonic() - healed
    with world.connect() as connection:
        findings = compare(connection, books)
    return Round(
        number=number,
        faults=tuple(fault.name for fault in faults),
        messages=messages,
        recovery_s=round(recovery_s, 2),
        findings=findings,
        stuck=stuck,
    )


class Startable(Protocol):
    """A server that may end."""

    @property
    def running(self) -> bool:
        """Whether its process is alive."""

    def start(self) -> None:
        """Start it."""


class Watched(Protocol):
    """What rounds are played on."""

    @property
    def servers(self) -> Sequence[Startable]:
        """Every server, in the order in which they are to be started."""

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection to the database."""


class Sending(Protocol):
    """Who sends a round's messages."""

    @property
    def done(self) -> bool:
        """Whether everything was sent and acknowledged."""


def wait_until_quiet(world: Watched, publisher: Sending, books: Books) -> str:
    """Wait until all that was acknowledged is stored and added up; return what never happened."""
    deadline = time.monotonic() + PATIENCE_S
    steps: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("not every message was acknowledged", lambda: publisher.done),
        ("not every acknowledged reading was stored", lambda: _stored(world) >= books.count),
        ("what is stored was not added up", lambda: settled(world)),
    )
    for complaint, condition in steps:
        while not _holds(condition):
            if time.monotonic() > deadline:
                return complaint
            # a server whose disk was full may have given up by itself: start it, as a
            # supervisor does
            for server in world.servers:
                if not server.running:
                    server.start()
            time.sleep(0.05)
    return ""


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except psycopg.OperationalError:
        return False


#: Of the works; a world may have other facilities beside them.
_STORED = f"""
WITH of_works AS (
    SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
    JOIN facility f ON f.id = d.facility_id WHERE f.slug = '{FACILITY}')
SELECT (SELECT count(*) FROM reading WHERE channel_id IN (SELECT id FROM of_works))
    + (SELECT coalesce(sum(readings), 0)::int FROM packed_readings
       WHERE channel_id IN (SELECT id FROM of_works))
"""  # noqa: S608 - a constant


def _stored(world: Watched) -> int:
    return _count(world, _STORED)


_WAITING = "SELECT (SELECT count(*) FROM touched) + (SELECT count(*) FROM recompute)"


def settled(world: Watched) -> bool:
    """Return whether all that is stored is added up."""
    # what did not fit into a tick is claimed, and queued by the same transaction
    return _count(world, _WAITING) == 0


def _count(world: Watched, statement: str) -> int:
    with world.connect() as connection:
        row = connection.execute(statement.encode()).fetchone()
    return int(str(row[0])) if row else 0
