"""One round on many machines: publish while things go wrong, heal, wait for quiet, compare."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Final

import psycopg

from tests.faults.books import Books
from tests.faults.cluster_nemesis import planned, strike
from tests.faults.cluster_world import ClusterWorld
from tests.faults.facility import FACILITY, entries
from tests.faults.oracle import Findings, compare, recomputed
from tests.faults.publisher import Publisher
from tests.faults.rounds import wait_until_quiet
from tests.patience import PATIENCE_S

_MESSAGES_PER_S: Final = 120.0

#: Everything is to go on so soon after a fault has ended.
PROMISED_S: Final = 15.0

#: A look at everything that was ever acknowledged comes after so many rounds.
_WHOLE_EVERY: Final = 25

_LOOK_S: Final = 0.1

#: Masses are stored as whole micrograms, minute by minute.
_SAME_KG: Final = 1e-3


@dataclass(frozen=True, kw_only=True)
class ClusterRound:
    """What a round did, and what it found."""

    number: int
    faults: tuple[str, ...]
    #: seconds that the faults lasted
    lasted_s: float
    #: whether another database is the primary than before
    failed_over: bool
    messages: int
    #: from the end of the last fault until everything was acknowledged, stored and added up, and
    #: an API showed it
    recovery_s: float
    #: until every API showed it, one that had to be started again too
    all_shown_s: float
    findings: Findings
    #: hours that ``tonne verify`` names; None: it was not asked in this round
    differ: int | None
    #: empty, or what never happened
    stuck: str = ""
    #: what an API showed as it was before another one had shown it
    went_back: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, counted twice, left undone or taken back, however long."""
        return self.findings.clean and not (self.stuck or self.differ or self.went_back)

    @property
    def late(self) -> bool:
        """Whether it took longer than promised."""
        return self.recovery_s > PROMISED_S

    def record(self) -> dict[str, object]:
        """As a line of the journal."""
        return {**asdict(self), "passed": self.passed, "late": self.late}


class ClusterRounds:
    """The rounds of one cluster, one after the other in the order of their numbers."""

    def __init__(self, world: ClusterWorld, publisher: Publisher, books: Books) -> None:
        self._world = world
        self._publisher = publisher
        self._books = books
        #: kg CO2 of everything that was acknowledged
        self._kg = 0.0

    def play(self, seed: int, number: int) -> ClusterRound:
        """Play one round; all machines are in order before and after."""
        world, books = self._world, self._books
        plan, dice = planned(seed, number, clocks=world.has_clocks)
        lasts_s = sum(fault.after_s for fault in plan) + max(fault.lasts_s for fault in plan)
        messages = math.ceil(_MESSAGES_PER_S * (lasts_s + 0.5))
        stuck = _wait_until_whole(world)
        primary, before_ms = world.primary, _newest_ms(books)
        began = time.monotonic()
        self._publisher.send(FACILITY, list(entries(number, messages, dice)), _MESSAGES_PER_S)
        strike(world, plan)
        world.heal()
        healed = time.monotonic()
        stuck = stuck or wait_until_quiet(world, self._publisher, books)
        self._kg += _added_kg(books, before_ms)
        stuck = stuck or self._wait_until_shown(at_least=1)
        recovery_s = time.monotonic() - healed
        stuck = stuck or self._wait_until_shown(at_least=len(world.cluster.working))
        all_shown_s = time.monotonic() - healed
        whole = number % _WHOLE_EVERY == _WHOLE_EVERY - 1
        return ClusterRound(
            number=number,
            faults=tuple(fault.fault.name for fault in plan),
            lasted_s=round(healed - began, 2),
            failed_over=world.primary is not primary,
            messages=messages,
            recovery_s=round(recovery_s, 2),
            all_shown_s=round(all_shown_s, 2),
            findings=self.findings(after_ms=None if whole else before_ms),
            differ=verified(world) if whole else None,
            stuck=stuck,
            went_back=tuple(world.went_back()),
        )

    def findings(self, *, after_ms: int | None = None) -> Findings:
        """Hold what is stored against the books; ``after_ms``: only what is later.

        :raises psycopg.OperationalError: no database answers, for longer than anybody has patience.
        """
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with self._world.connect() as connection:
                    return compare(connection, self._books, after_ms=after_ms)
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                self._world.cluster.revive()
                time.sleep(_LOOK_S)

    def _wait_until_shown(self, *, at_least: int) -> str:
        """Wait until so many APIs show live what was acknowledged; return what never happened."""
        until = time.monotonic() + PATIENCE_S
        while True:
            shown = self._world.shown()
            if sum(kg is not None and abs(kg - self._kg) < _SAME_KG for kg in shown) >= at_least:
                return ""
            if time.monotonic() > until:
                return f"the APIs show {shown}, acknowledged were {self._kg}"
            time.sleep(_LOOK_S)


def _wait_until_whole(world: ClusterWorld) -> str:
    """Wait until another database could take over again; return what never happened."""
    until = time.monotonic() + PATIENCE_S
    while not world.cluster.standby_is_synchronous:
        if time.monotonic() > until:
            return "no standby has all that the primary has"
        world.cluster.revive()
        time.sleep(_LOOK_S)
    return ""


def _newest_ms(books: Books) -> int:
    return max((max(series) for series in books.readings.values() if series), default=0)


def _added_kg(books: Books, after_ms: int) -> float:
    """kg CO2 of what was acknowledged later than ``after_ms``, the plain way."""
    added = {
        channel: {ts_ms: value for ts_ms, value in series.items() if ts_ms > after_ms}
        for channel, series in books.readings.items()
    }
    # a register rises from round to round; what a gauge says holds for a minute and no longer
    register = books.readings.get("f-meter.energy", {})
    before = max((ts_ms for ts_ms in register if ts_ms <= after_ms), default=None)
    if before is not None:
        added["f-meter.energy"][before] = register[before]
    return sum(kg for kg, _ in recomputed(added).values())


def verified(world: ClusterWorld) -> int:
    """Return how many hours ``tonne verify`` computes otherwise than they are stored."""
    printed = world.cluster.tonne("verify", "--json", any_exit=True)
    return int(json.loads(printed)["differ"])
