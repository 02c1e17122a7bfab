"""One round of packing: days are packed while late readings open them, and somebody is killed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tests.command import tonne
from tests.faults import gates
from tests.faults.books import Books
from tests.faults.facility import FACILITY, entries, late_entries
from tests.faults.gates import PACKING_GATES, Gate
from tests.faults.oracle import Findings, compare
from tests.faults.publisher import Publisher
from tests.faults.rounds import wait_until_quiet
from tests.faults.world import World
from tests.patience import PATIENCE_S, until

_MESSAGES_PER_S = 400.0

#: What has come is final without waiting for the hour's lateness; so it may be packed.
_FINAL = "UPDATE emission_hour SET final = true WHERE NOT final"

_ROWS = "SELECT count(*) FROM reading"


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round did, and what it found."""

    number: int
    step: str
    readings: int
    #: from the kill until all was stored, added up and packed
    recovery_s: float
    findings: Findings
    #: hours that ``tonne verify`` names
    differ: int
    #: empty, or what never happened
    stuck: str = ""

    @property
    def passed(self) -> bool:
        """Whether the promise was kept."""
        return self.findings.clean and not self.stuck and not self.differ

    def record(self) -> dict[str, object]:
        """As a line of the journal."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where who is killed."""

    gate: Gate
    #: the database itself, else the process at the gate
    database: bool = False
    #: what had been sent to the database is rolled back
    lost: bool = False

    @property
    def name(self) -> str:
        """As the table has it."""
        if self.database:
            return f"database: {self.gate.name.replace(':', '')}"
        return f"{self.gate.name}, {'lost' if self.lost else 'carried out'}"

    def strike(self, world: World, begin: Callable[[], None]) -> None:
        """Let it begin, and return with the victim killed at the gate."""
        url = world.postgres.url
        with gates.closed(url, self.gate) as is_held:
            begin()
            until(is_held, f"{self.gate.name}: it is held there")
            if self.database:
                world.postgres.kill()
                return
            is_aggregator = self.gate.process == "tonne.aggregator"
            (world.aggregator if is_aggregator else world.ingest).kill()
            if self.lost:
                gates.lose(url, self.gate)


STEPS = tuple(
    step
    for gate in PACKING_GATES
    for step in (
        Step(gate=gate, lost=True),
        Step(gate=gate, lost=False),
        Step(gate=gate, database=True),
    )
)
"""Every step in its turn."""


def play(world: World, publisher: Publisher, books: Books, seed: int, number: int) -> Round:
    """Play one round; everything is packed before and after."""
    dice = random.Random(f"{seed}/{number}")
    step = STEPS[number % len(STEPS)]
    before = books.count
    publisher.send(FACILITY, list(entries(number, dice.randrange(200, 400), dice)), _MESSAGES_PER_S)
    stuck = wait_until_quiet(world, publisher, books)
    if step.gate.on != "INSERT":
        # days that a late reading opens or changes have to be packed
        stuck = stuck or _packed(world)
    late = list(late_entries(books, dice.randrange(20, 60), dice))

    def begin() -> None:
        _settle(world)
        publisher.send(FACILITY, late, _MESSAGES_PER_S)

    step.strike(world, begin)
    struck = time.monotonic()
    world.heal()
    stuck = stuck or wait_until_quiet(world, publisher, books) or _packed(world)
    recovery_s = time.monotonic() - struck
    with world.connect() as connection:
        findings = compare(connection, books)
    verified = tonne(world.postgres.url, "verify", "--json")
    return Round(
        number=number,
        step=step.name,
        readings=books.count - before,
        recovery_s=round(recovery_s, 2),
        findings=findings,
        differ=json.loads(verified.stdout)["differ"],
        stuck=stuck,
    )


def _settle(world: World) -> None:
    with world.connect() as connection:
        connection.execute(_FINAL)


def _packed(world: World) -> str:
    """Let all that has come be packed; return what never happened."""
    deadline = time.monotonic() + PATIENCE_S
    with world.connect() as connection:
        while time.monotonic() < deadline:
            connection.execute(_FINAL)
            if connection.execute(_ROWS).fetchone() == (0,):
                return ""
            time.sleep(0.05)
    return "not every settled day was packed"
