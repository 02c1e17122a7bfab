"""One round: a limit is passed, or that ends, and whoever is to tell it is killed at a step."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from tests.faults import gates
from tests.faults.gates import GATES, Gate
from tests.faults.kilns import KILNS, Findings, Kilns
from tests.patience import until
from tests.services import Server

Act = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round did, and what it found; findings are of all rounds so far."""

    number: int
    step: str
    breaches: int
    #: from the kill until everything was sent
    recovery_s: float
    findings: Findings

    @property
    def passed(self) -> bool:
        return self.findings.clean

    def record(self) -> dict[str, object]:
        """As a line of the journal."""
        return {**asdict(self), "passed": self.passed}


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where a process is killed; ``strike`` lets ``act`` happen and returns with it killed."""

    name: str
    strike: Callable[[Kilns, random.Random, Act], None]


def _at_gate(gate: Gate, *, lost: bool) -> Step:
    def strike(kilns: Kilns, _dice: random.Random, act: Act) -> None:
        url = kilns.stack.database_url
        with gates.closed(url, gate) as held:
            act()
            until(held, f"{gate.name}: it is held there")
            _victim(kilns, gate.process).kill()
            if lost:
                gates.lose(url, gate)
        # else the server goes on with what it was sent, and finds its client gone

    return Step(name=f"{gate.name}, {'lost' if lost else 'carried out'}", strike=strike)


def _victim(kilns: Kilns, process: str) -> Server:
    return kilns.stack.notifier if process == "tonne.notify" else kilns.stack.aggregator


def _while_it_sends(kilns: Kilns, _dice: random.Random, act: Act) -> None:
    kilns.hook.answering.clear()
    act()
    until(lambda: kilns.hook.held, "the receiver has it and does not answer")
    kilns.stack.notifier.kill()
    kilns.hook.answering.set()


def _as_soon_as_it_is_there(kilns: Kilns, _dice: random.Random, act: Act) -> None:
    with kilns.connect() as connection:
        before = connection.execute("SELECT max(id) FROM outbox").fetchone()
        act()
        until(
            lambda: connection.execute("SELECT max(id) FROM outbox").fetchone() != before,
            "the outbox holds it",
        )
    kilns.stack.notifier.kill()


def _while_it_starts(kilns: Kilns, dice: random.Random, act: Act) -> None:
    kilns.stack.notifier.kill()
    act()
    kilns.stack.notifier.start()
    time.sleep(dice.uniform(0, 0.2))
    kilns.stack.notifier.kill()


def _both_at_random(kilns: Kilns, dice: random.Random, act: Act) -> None:
    act()
    victims = [kilns.stack.aggregator, kilns.stack.notifier]
    dice.shuffle(victims)
    for victim in victims:
        time.sleep(dice.uniform(0, 0.3))
        victim.kill()


STEPS = (
    *(_at_gate(gate, lost=lost) for gate in GATES for lost in (True, False)),
    Step(name="notifier: takes what is due", strike=_as_soon_as_it_is_there),
    Step(name="notifier: sends", strike=_while_it_sends),
    Step(name="notifier: starts", strike=_while_it_starts),
    Step(name="both, at random", strike=_both_at_random),
)
"""Every step in its turn."""

#: Minutes of data that a round takes.
MINUTES_A_ROUND = 4


def play(kilns: Kilns, seed: int, number: int) -> Round:
    """Play one round; everything runs and is quiet before and after."""
    dice = random.Random(f"{seed}/{number}")
    step = STEPS[number % len(STEPS)]
    minute = 1 + number * MINUTES_A_ROUND
    breaching = dice.sample(KILNS, dice.randint(1, len(KILNS)))

    def begin() -> None:
        kilns.publish(minute, breaching)

    def end() -> None:
        kilns.publish(minute + 2, ())

    if dice.random() < 0.5:
        step.strike(kilns, dice, begin)
        end()
    else:
        begin()
        until(lambda: kilns.quiet, "its notification is sent")
        step.strike(kilns, dice, end)
    struck = time.monotonic()
    for server in (kilns.stack.aggregator, kilns.stack.notifier):
        server.start()
    until(lambda: kilns.quiet, "everything is sent")
    return Round(
        number=number,
        step=step.name,
        breaches=len(breaching),
        recovery_s=round(time.monotonic() - struck, 2),
        findings=kilns.compare(),
    )
