"""When the values of a foreign payload were measured, by the rules of the facility file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.core.facility.mapping_expression import Budget
from services.core.facility.mapping_model import word
from services.core.timeline.date_format import parse_date
from services.core.timeline.instants import to_us
from services.ingest.decode.cells import COMMA, selected
from services.ingest.decode.instant import parse_date_time, parse_epoch
from services.ingest.decode.observation import TIME_FROM_BROKER, TIME_FROM_DEVICE
from services.ingest.decode.put_back import local_times
from services.ingest.decode.selection import MISSING, Selection, nothing
from services.ingest.decode.shown import shown
from services.ingest.decode.text_number import READERS, Reader, number

#: (microseconds since the epoch, whose clock told them: a time_source)
Timed = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """How the times of values follow from their places in a list."""

    #: from one value to the next, below zero where the newest comes first
    step_us: int
    #: whether the time that is told is that of the last value; else it is that of the first
    of_last: bool

    def time_us(self, told_us: int, place: int, number: int) -> int:
        """Return the time of the value at ``place`` of ``number``, counted from 0."""
        return told_us + self.step_us * (place - (number - 1 if self.of_last else 0))


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeRule:
    """Where a message says its time, and how."""

    select: Selection
    #: of texts without an offset
    zone: ZoneInfo | None
    unit: str | None
    #: of dates written otherwise than RFC 3339, as strptime has it; the first that fits counts
    formats: tuple[str, ...] = ()
    read: Reader = number
    #: times, as words, that say that the device knows none
    invalid: frozenset[str] = frozenset()
    #: whether the time stands beside the records
    of_message: bool = False
    places: Places | None = None

    def time(self, record: Any, received_us: int) -> Timed:
        """Return the time of a record; its arrival where it tells none.

        :raises ValueError: it tells something that is no time.
        """
        return self.read_time(self.select(record), received_us)

    def read_time(self, raw: Any, received_us: int) -> Timed:
        """Return the time that ``raw`` tells; the arrival where it is nothing.

        :raises ValueError: it is no time.
        """
        if raw is MISSING or raw is None or (self.invalid and word(raw) in self.invalid):
            return received_us, TIME_FROM_BROKER
        try:
            return self._instant_us(raw, received_us), TIME_FROM_DEVICE
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{shown(raw)} is not a time: {error}") from None

    def _instant_us(self, raw: Any, received_us: int) -> int:
        if isinstance(raw, list) and len(raw) != 1:
            raise ValueError(f"a list of {len(raw)} times needs a list of as many values")
        if self.formats:
            instant = _by_format(raw, self.formats)
        else:
            epoch = self.read(raw)
            if epoch is not None:
                return parse_epoch(epoch, self.unit)
            instant = parse_date_time(raw.strip() if isinstance(raw, str) else "")
        if instant.tzinfo is not None:
            return to_us(instant)
        if self.zone is None:
            raise ValueError("it has no offset, and timestamp in the facility file has no timezone")
        return _local_us(instant, self.zone, received_us)


#: A device's clock may be so much ahead.
_AHEAD_US: Final = 300_000_000

#: Of messages that tell no time.
ARRIVAL: Final = TimeRule(select=nothing, zone=None, unit=None)


def time_rule(
    part: Mapping[str, Any], budget: Budget | None = None, delimiter: str = COMMA
) -> TimeRule:
    """Return the rule that a file's ``timestamp`` states; ``budget``: see :mod:`.selection`.

    ``delimiter``: what parts the cells of a text.

    :raises ValueError, KeyError: the part cannot be used.
    """
    zone = part.get("timezone")
    return TimeRule(
        select=selected(part, budget, delimiter),
        zone=None if zone is None else ZoneInfo(zone),
        unit=part.get("unit"),
        formats=_formats(part.get("format")),
        read=READERS[part.get("number")],
        invalid=frozenset(part.get("invalid") or ()),
        of_message=part.get("stands_in") == "message",
        places=_places(part),
    )


def _places(part: Mapping[str, Any]) -> Places | None:
    if part.get("step") is None:
        return None
    step_us = round(part["step"] * 1e6)
    return Places(
        step_us=-step_us if part.get("order") == "newest-first" else step_us,
        of_last=part.get("place") == "last",
    )


def _formats(stated: str | Sequence[str] | None) -> tuple[str, ...]:
    if stated is None:
        return ()
    return (stated,) if isinstance(stated, str) else tuple(stated)


def _by_format(raw: Any, patterns: Sequence[str]) -> datetime:
    text = raw.strip() if isinstance(raw, str) else str(raw)
    for pattern in patterns:
        with suppress(ValueError):
            return parse_date(text, pattern)
    raise ValueError(f"it is not of the form {' or '.join(patterns)}")


def _local_us(local: datetime, zone: ZoneInfo, received_us: int) -> int:
    """Return the instant of a local time.

    In the hour that comes twice when clocks are put back, the instant nearer to the arrival is
    meant, and not one after it: devices send what they have just measured. What several times of
    one message tell together: see :mod:`.put_back`.
    """
    meant = local_times(zone).instants(local)
    if meant is None:
        raise ValueError(f"clocks in {zone.key} were put forward over it")
    if not meant.is_twice:
        return meant.first_us
    return min(
        (meant.first_us, meant.second_us),
        key=lambda us: (us > received_us + _AHEAD_US, abs(us - received_us), us),
    )
