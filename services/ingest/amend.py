"""Readings that a person states, judged as those of devices are: channel, unit, range and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from services.core.accounting.units import UnitError, conversion
from services.core.facility.in_force import in_force_at
from services.core.runtime.stated_readings import Corrected, RefusedCorrection, StatedReading
from services.core.store.readings import amendments
from services.core.store.readings.amendments import Amendment, Fate, Refusal, Was
from services.core.store.registry import read
from services.core.store.registry.read import Channel
from services.core.timeline.instants import from_us, rfc3339, to_us
from services.ingest.check import CheckError, check_time, checked_value
from services.ingest.corrections import ABOVE_RANGE
from services.ingest.decode.instant import NEWEST_US, OLDEST_US
from services.ingest.decode.observation import QUALITY, TIME_FROM_DEVICE, Observation
from services.ingest.prepare import TimeBounds
from services.ingest.quarantine.reasons import Reason
from services.ingest.target import target

#: Qualities that are stored, the gap of a value above the range among them.
_STORED: Final = {**QUALITY, "above-range": ABOVE_RANGE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who states readings, and why, as ledger and audit log show it."""

    by: str
    reason: str


def amend(
    connection: psycopg.Connection[Any],
    facility: str,
    rows: Sequence[StatedReading],
    author: Author,
    bounds: TimeBounds,
    now: datetime,
) -> Corrected:
    """Store what can be stored of what somebody states of a facility's readings.

    In a transaction of the caller.
    """
    channels = read.channels_of(connection, facility)
    refusals: list[Refusal] = []
    stated: list[Amendment] = []
    limits = (to_us(bounds.oldest), to_us(now + bounds.future_tolerance))
    for index, row in enumerate(rows):
        try:
            stated.append(_amendment(index, row, channels, facility, limits))
        except CheckError as error:
            refusals.append(Refusal(index=index, reason=error.reason, detail=error.detail))
    amended = amendments.amend(connection, facility, stated, by=author.by, reason=author.reason)
    refusals = sorted([*refusals, *amended.refusals], key=lambda refusal: refusal.index)
    fates = list(amended.fates.values())
    return Corrected(
        corrected=fates.count(Fate.CORRECTED),
        added=fates.count(Fate.ADDED),
        unchanged=fates.count(Fate.UNCHANGED),
        refused=len(refusals),
        refusals=[_refused(rows[refusal.index], refusal) for refusal in refusals],
    )


def _amendment(
    index: int,
    row: StatedReading,
    channels: Mapping[tuple[str, str], Channel],
    facility: str,
    limits: tuple[int, int],
) -> Amendment:
    channel = channels.get((row.device, row.channel))
    if channel is None:
        raise CheckError(
            Reason.UNKNOWN_CHANNEL,
            f"facility {facility!r} has no channel {row.device}.{row.channel} in force",
        )
    check_time(row.ts_us, oldest_us=limits[0], newest_us=limits[1])
    quality = QUALITY[row.quality]
    return Amendment(
        index=index,
        channel=channel,
        ts_us=row.ts_us,
        value=_as_stored(row, channel, quality),
        quality=quality,
        was=Was(
            value=row.was,
            quality=None if row.was_quality is None else _STORED[row.was_quality],
        )
        if row.is_stored
        else None,
    )


def _as_stored(row: StatedReading, channel: Channel, quality: int) -> float | None:
    """Return a value as the device would have sent it, which is how values are stored.

    :raises CheckError: it cannot be a value of the channel.
    """
    value = row.value
    if value is None:
        return None
    if row.unit is not None and row.unit != channel.unit:
        try:
            value = conversion(row.unit, channel.unit)(value)
        except UnitError as error:
            raise CheckError(Reason.UNIT_NOT_CONVERTIBLE, str(error)) from None
    as_sent = in_force_at(channel.in_force, row.ts_us).as_sent
    if as_sent is not None:
        value = (value - as_sent.offset) / as_sent.scale
    observation = Observation(
        channel=channel.slug,
        ts_us=row.ts_us,
        value=value,
        unit=None,
        quality=quality,
        time_source=TIME_FROM_DEVICE,
    )
    return checked_value(observation, target(channel).in_force_at(row.ts_us))


def _refused(row: StatedReading, refusal: Refusal) -> RefusedCorrection:
    is_time = OLDEST_US <= row.ts_us <= NEWEST_US
    return RefusedCorrection(
        index=refusal.index,
        device=row.device,
        channel=row.channel,
        time=rfc3339(from_us(row.ts_us)) if is_time else str(row.ts_us),
        reason=refusal.reason,
        detail=refusal.detail,
    )
