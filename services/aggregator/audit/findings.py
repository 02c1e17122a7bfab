"""What a check finds: differences with their names, and how much was held against readings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from services.core.store.emissions.final_hours import StoredSource


class Kind(StrEnum):
    """What is wrong, as the command names it."""

    #: the hour is not what its readings come to
    READINGS = "readings"
    #: readings, minutes or inputs make an hour that is not there
    MISSING = "missing"
    #: with what was known when it came into force, nothing can be computed
    NOT_COMPUTABLE = "not computable"
    #: packed readings are not those that were packed
    PACKED = "packed"
    #: the hour is not the sum of its minutes, or these are not what the readings give
    MINUTES = "minutes"
    #: it is open, though its time to be closed has passed
    OPEN = "open"
    #: its quality, its code, or what its equation was given is not what its rule makes of it
    JUDGEMENT = "judgement"
    #: its versions are no unbroken chain
    VERSIONS = "versions"
    #: one of its versions is not what was known when it came into force
    VERSION = "version"
    #: it was known before what it is made of, long after, or in the future
    DATES = "dates"
    #: it waits to be computed for too long, or without a reason
    WAITING = "waiting"
    #: its source is said to be retired, and something says that it is not
    RETIRED = "retired"
    #: its facility is being deleted
    PURGE = "purge"
    #: a test of a monitor is not what the readings of its calibration come to
    CALIBRATION = "calibration"
    #: a mean of a pollutant is not what its readings give
    POLLUTANT = "pollutant"
    #: a rolling or to-date total is not the sum of its minutes
    WINDOW = "window"
    #: a stored sum of a day or a month is not what its hours come to
    SUM = "sum"
    #: it could not be looked at
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What does not hold; masses in micrograms, None where that says nothing."""

    kind: Kind
    facility: str
    #: empty: it is no single source's
    source: str
    source_name: str
    #: None: it is no single hour's
    hour: datetime | None = None
    window: str | None = None
    stored_ug: int | None = None
    recomputed_ug: int | None = None
    #: what differs: figures by their column, and quality, code, final, inputs
    figures: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one step came to; hours are those that are final."""

    checked: int = 0
    #: about to be computed again, and in keeping with what was known before
    waiting: int = 0
    #: their readings are gone, or are not those that they were made of
    unknown: int = 0
    #: rolling and to-date totals
    windows: int = 0
    #: stored sums of days and months
    sums: int = 0
    #: versions that another one replaced
    versions: int = 0
    #: of these, those that cannot be computed, by why
    versions_left_out: dict[str, int] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()


@dataclass(kw_only=True, slots=True)
class Findings:
    """Differences of one source, as they are found."""

    source: StoredSource
    differences: list[Difference] = field(default_factory=list)

    def add(self, kind: Kind, hour: int | None = None, **values: Any) -> None:
        """Add a difference; ``hour`` since the epoch."""
        self.differences.append(
            Difference(
                kind=kind,
                facility=self.source.facility,
                source=self.source.source,
                source_name=self.source.source_name,
                hour=None if hour is None else hour_start(hour),
                **values,
            )
        )


def not_checked(source: StoredSource, reason: str) -> Difference:
    """Return the difference that a source is which could not be looked at."""
    findings = Findings(source=source)
    findings.add(Kind.NOT_CHECKED, detail=reason)
    return findings.differences[0]


def hour_start(hour: int) -> datetime:
    """Return when an hour (since the epoch) begins."""
    return datetime.fromtimestamp(hour * 3600, UTC)
