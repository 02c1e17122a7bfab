"""Until when a monitor's audits vouch for its data, and what is out of control since.

A linearity check or cylinder gas audit is due in each quarter, an audit of relative accuracy within
two or four, by the accuracy it reached; quarters with fewer than 168 operating hours do not count.
After its deadline a test has a grace of operating hours (40 CFR 75 App. B 2.2.3, 2.2.4, 2.3.1 to
2.3.3; what the text leaves open as EPA's checking code has it).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.core.accounting.stack.audits import RATA, Audit
from services.core.accounting.stack.control import OutOfControl
from services.core.accounting.stack.linearity import GasTest
from services.core.timeline.instants import HOUR_US
from services.core.timeline.windows import standard_time

QA_QUARTER_HOURS = 168
"""Operating hours that a quarter needs to count (40 CFR 72.2, QA operating quarter)."""

GRACE_HOURS = {RATA: 720, GasTest.LINEARITY: 168, GasTest.CYLINDER_GAS_AUDIT: 168}
"""Operating hours after the deadline in which data still count (App. B 2.3.3, 2.2.4)."""

NAMES = {
    RATA: "relative accuracy audit",
    GasTest.LINEARITY: "linearity check",
    GasTest.CYLINDER_GAS_AUDIT: "cylinder gas audit",
}

_LONGEST_GAS_TEST = 4
_LONGEST_RATA = 8
"""Calendar quarters after its own that a test vouches for at most."""


@dataclass(frozen=True, kw_only=True)
class OperatingHours:
    """The hours since the epoch in which the unit operated: all but `idle`, which ascend."""

    idle: Sequence[int] = ()

    @classmethod
    def but(cls, idle: Set[int]) -> OperatingHours:
        """Return all hours but those that are idle."""
        return cls(idle=sorted(idle))

    def count(self, first: int, end: int) -> int:
        """Count those from `first` to before `end`."""
        return end - first - (bisect_left(self.idle, end) - bisect_left(self.idle, first))

    def after(self, first: int, hours: int) -> int:
        """Return the hour of operation that follows `hours` of them, counted from `first`."""
        hour = first + hours
        for idle in self.idle[bisect_left(self.idle, first) :]:
            if idle > hour:
                break
            hour += 1
        return hour


@dataclass(frozen=True, kw_only=True)
class Term:
    """How long one passed test vouches: hours since the epoch.

    `grace_from` is the hour after the deadline, `expires` the first that is out of control.
    """

    kind: str
    grace_from: int
    expires: int
    superseded_us: int | None

    def says(self, hour: int) -> str:
        """Say of an hour after the deadline how the test stands; empty before it and after."""
        if hour < self.grace_from or self._is_over(hour):
            return ""
        due = f"was due before {_text(self.grace_from)}"
        if hour < self.expires:
            return f"{NAMES[self.kind]} {due}: in its grace period (IC-Grace)"
        return (
            f"{NAMES[self.kind]} expired: it {due}, where its grace period of"
            f" {GRACE_HOURS[self.kind]} operating hours began (OOC-Expired)"
        )

    def _is_over(self, hour: int) -> bool:
        return self.superseded_us is not None and hour * HOUR_US >= self.superseded_us

    @property
    def out_of_control(self) -> OutOfControl | None:
        """The period from expiry to the next passed test, None where that came before."""
        from_us = self.expires * HOUR_US
        if self.superseded_us is not None and self.superseded_us <= from_us:
            return None
        return OutOfControl(
            from_us=from_us, to_us=self.superseded_us, reason=self.says(self.expires)
        )


def terms(
    audits: Sequence[Audit], *, operating: OperatingHours, zone: ZoneInfo
) -> tuple[Term, ...]:
    """Return the terms of all passed tests, kind by kind in order of time.

    A kind without a passed test has none. Where there are linearity checks, a cylinder gas audit
    stands for none of them and is due at no time. Quarters are in the zone's standard time.
    """
    kinds = dict.fromkeys(audit.kind for audit in audits)
    if GasTest.LINEARITY in kinds:
        kinds.pop(GasTest.CYLINDER_GAS_AUDIT, None)
    terms_of_kinds: list[Term] = []
    for kind in kinds:
        passed = sorted(
            (audit for audit in audits if audit.kind == kind and audit.passed),
            key=lambda audit: audit.ts_us,
        )
        before: Term | None = None
        for number, audit in enumerate(passed):
            hour = audit.ts_us // HOUR_US
            in_grace = before is not None and before.grace_from <= hour < before.expires
            due = _due(audit, _quarter(hour, zone), operating, zone, in_grace=in_grace)
            grace_from = _first_hour(due + 1, zone)
            before = Term(
                kind=kind,
                grace_from=grace_from,
                expires=operating.after(grace_from, GRACE_HOURS[kind]),
                superseded_us=passed[number + 1].ts_us if number + 1 < len(passed) else None,
            )
            terms_of_kinds.append(before)
    return tuple(terms_of_kinds)


def _due(
    audit: Audit, tested: int, operating: OperatingHours, zone: ZoneInfo, *, in_grace: bool
) -> int:
    """Return the last quarter that a test vouches for."""

    def counts(quarter: int) -> bool:
        first, end = _first_hour(quarter, zone), _first_hour(quarter + 1, zone)
        return operating.count(first, end) >= QA_QUARTER_HOURS

    if audit.gas_test is not None:
        # one that was made in the grace of an earlier quarter is that quarter's
        due = tested if in_grace else tested + 1
        return _extended(due, due, tested + _LONGEST_GAS_TEST, counts, until=due + 3)
    due = tested + (4 if audit.annual else 2)
    if in_grace and audit.annual:
        due -= 1
    return _extended(due, tested if in_grace else tested + 1, tested + _LONGEST_RATA, counts)


def _extended(
    due: int, first: int, last: int, counts: Callable[[int], bool], *, until: int | None = None
) -> int:
    """Move a deadline on by each quarter from `first` on that does not count, to `last` at most."""
    last = last if until is None else min(last, until)
    quarter = first
    while quarter <= due < last:
        due += not counts(quarter)
        quarter += 1
    return due


def _quarter(hour: int, zone: ZoneInfo) -> int:
    """Return the number of the quarter that an hour lies in: 4 x year + 0 to 3."""
    utc = datetime.fromtimestamp(hour * 3600, UTC)
    local = utc.astimezone(standard_time(zone, utc.astimezone(zone).year))
    return 4 * local.year + (local.month - 1) // 3


def _first_hour(quarter: int, zone: ZoneInfo) -> int:
    year, number = divmod(quarter, 4)
    begins = datetime(year, 3 * number + 1, 1, tzinfo=standard_time(zone, year))
    return int(begins.timestamp()) // 3600


def _text(hour: int) -> str:
    return f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%dT%H:%MZ}"
