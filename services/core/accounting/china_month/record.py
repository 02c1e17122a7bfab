"""What is known of a facility's month: amounts of its sources, factors, and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthSource:
    """A source over the month: sums of its hours in force, and how the time came to them.

    An hour that a rule closed without a value is in no sum and in no time.
    """

    id: str
    name: str
    #: 0: it counts what is made, and emits nothing
    scope: int
    method: str
    #: device.channel of each input, comma separated
    channels: str
    factor: str
    #: metered, billed or estimated, as the file states it; empty: it does not
    evidence: str
    #: another source, whose sum this one only checks; empty: it counts
    checks: str
    activity_unit: str
    #: None: it has none, or nothing is known
    activity: Decimal | None
    #: fossil; None: nothing is known
    co2_kg: Decimal | None
    biogenic_kg: Decimal
    #: of the two together, what hours with a substitute came to
    substituted_kg: Decimal
    measured_ms: int
    substituted_ms: int
    estimated_ms: int
    #: the time of the month that is over
    elapsed_ms: int
    hours: int
    hours_final: int
    hours_restated: int
    #: of a stack under a rule; None: it is none
    operating_h: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MonthFactor:
    """A version of a factor that holds on a day of the month, per unit of activity."""

    id: str
    sources: str
    unit: str
    co2_kg: float | None
    co2e_kg: float | None
    biogenic_kg: float
    heat_content_mj: float | None
    heat_content_unit: str | None
    valid_from: date | None
    valid_to: date | None
    known_from: datetime
    data_year: int | None
    release: str
    citation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One thing that stands behind the figures."""

    kind: str
    #: its id, file name or channel
    id: str
    #: source, channel or facility that it speaks of
    subject: str
    begins: str
    ends: str
    statement: str
    #: SHA-256 in hexadecimal digits; empty: it is no file
    digest: str = ""
    recorded_at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityMonth:
    """A month of a facility; ``ends`` exclusive, both of Beijing time."""

    facility: str
    name: str
    month: str
    begins: datetime
    ends: datetime
    known_at: datetime
    sources: Sequence[MonthSource]
    factors: Sequence[MonthFactor]
    evidence: Sequence[Evidence]
