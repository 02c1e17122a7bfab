"""One round: a process is stopped at a step of its own, something happens to it, all is healed."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import pytest

from tests.faults.hard_states import STATES, State
from tests.faults.oracle import Findings, compare
from tests.faults.scene import Scene, verified
from tests.faults.troubles import Trouble

#: Every hour is computed again after so many rounds.
_VERIFY_EVERY: Final = 20


@dataclass(frozen=True, kw_only=True)
class StateRound:
    """What a round did, and what it found."""

    number: int
    state: str
    place: str
    #: what the process was about to say, or had said; empty: it never came there
    evidence: str
    #: from what happened until all was stored and added up
    recovery_s: float
    took_s: float
    findings: Findings
    #: on which it was played, UTC
    day: str
    #: hours that ``tonne verify`` names; None: it was not asked in this round
    differ: int | None
    #: empty, or what never happened
    stuck: str = ""

    @property
    def passed(self) -> bool:
        """Whether the state was reached and the promise kept."""
        return bool(self.evidence) and self.findings.clean and not self.stuck and not self.differ

    def record(self) -> dict[str, object]:
        """As a line of the journal."""
        return {**asdict(self), "passed": self.passed}


def planned(seed: int, number: int) -> tuple[State | Trouble, random.Random]:
    """The state of a round; the same for the same seed and number."""
    order = list(STATES)
    # each seed another order, so that each state comes after others
    random.Random(f"states/{seed}/{number // len(order)}").shuffle(order)
    return order[number % len(order)], random.Random(f"states/{seed}/{number}")


def play(scene: Scene, seed: int, number: int) -> StateRound:
    """Play one round; the world is healthy and everything is added up before and after."""
    began = time.monotonic()
    state, dice = planned(seed, number)
    scene.begin(number, dice)
    evidence = stuck = ""
    healed = began
    try:
        evidence = state.reach(scene)
        scene.world.heal()
        healed = time.monotonic()
        stuck = scene.quiet()
        state.check(scene)
    # the tests' own way to say what never came about; the next rounds may well pass
    except (pytest.fail.Exception, AssertionError) as error:
        stuck = str(error) or repr(error)
        scene.world.heal()
    recovery_s = time.monotonic() - healed
    with scene.world.connect() as connection:
        findings = compare(connection, scene.books, refused=scene.refused)
    return StateRound(
        number=number,
        state=state.name,
        place=state.place,
        evidence=evidence,
        recovery_s=round(recovery_s, 2),
        took_s=round(time.monotonic() - began, 2),
        findings=findings,
        day=datetime.now(UTC).date().isoformat(),
        differ=verified(scene.world.database_url) if number % _VERIFY_EVERY == 0 else None,
        stuck=" ".join([stuck, *scene.complaints]).strip(),
    )
