"""Readings as people state them: in the place of what is stored, or where nothing is.

What stood there is kept beside it (``reading_correction``), the hours that it fed are restated with
the reason, and the audit log has both. Nobody overwrites what they did not see: an amendment names
what is stored, and is refused where something else is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from itertools import groupby, pairwise
from typing import Any, Final

import numpy as np
import psycopg

from services.core.facility.in_force import in_force_at
from services.core.store.audit.record import record
from services.core.store.database import database_time
from services.core.store.packing.days import day_of
from services.core.store.readings import series
from services.core.store.readings.packing import days as packing
from services.core.store.readings.packing.archived import ArchivedDayError
from services.core.store.readings.series import StoredReadings
from services.core.store.readings.series_arrays import SeriesRequest
from services.core.store.readings.touched_minutes import name_minutes
from services.core.store.registry.read import Channel
from services.core.store.schema import restatement_reasons as why
from services.core.timeline.instants import MINUTE_US, from_us, to_us
from services.core.timeline.intervals import Interval

#: Two figures are the same that differ in the last digits alone, as they were shown and typed.
_SAME: Final = 1e-9

_STORED: Final = "SELECT value, quality FROM reading WHERE channel_id = %s AND ts = %s"

_HORIZON: Final = "SELECT max(horizon) FROM reading_horizon"

_AMEND: Final = """
SELECT amend_reading(%s, %s, %s, %s::smallint, %s, %s, %s::smallint, %s, %s)
"""

#: A reading of an imported activity that was not withdrawn.
_ACTIVITY: Final = """
SELECT e.id FROM activity_entry e
JOIN facility f ON f.id = e.facility_id
LEFT JOIN activity_withdrawal w ON w.facility_id = e.facility_id AND w.id = e.id
WHERE e.channel_id = %(channel)s AND w.id IS NULL
  AND e.first_day <= (%(ts)s::timestamptz AT TIME ZONE f.timezone)::date
  AND e.end_day > (%(ts)s::timestamptz AT TIME ZONE f.timezone)::date
LIMIT 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Was:
    """What somebody saw of a reading."""

    #: in the channel's unit; None: a gap
    value: float | None
    #: None: whatever it is
    quality: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Amendment:
    """A reading as a person states it."""

    #: of the request, from 0
    index: int
    channel: Channel
    ts_us: int
    #: in the unit that readings are stored in, before scale and offset; None: a gap
    value: float | None
    quality: int
    #: None: nobody saw one, it is added
    was: Was | None


class Fate(Enum):
    """What became of an amendment."""

    CORRECTED = auto()
    ADDED = auto()
    #: it was stored just so
    UNCHANGED = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why an amendment was not stored."""

    index: int
    reason: str
    #: what is wrong, and what to do
    detail: str


@dataclass(kw_only=True, slots=True)
class Amended:
    """What became of the amendments of a request, by their indices."""

    fates: dict[int, Fate] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    amendment: Amendment
    #: value in the channel's unit and quality; None: there was none
    before: tuple[float | None, int] | None


class _RefusedError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def amend(
    connection: psycopg.Connection[Any],
    facility: str,
    amendments: Sequence[Amendment],
    *,
    by: str,
    reason: str,
) -> Amended:
    """Store what people state of one facility's readings, in the caller's transaction.

    ``by`` and ``reason``: who states it, and why, as ledger and audit log show it. What cannot be
    stored is refused by itself, and the others are stored.
    """
    amended = Amended()
    # as every writer: in the order of the key
    left = sorted(amendments, key=lambda one: (one.channel.id, one.ts_us, one.index))
    around = _around(connection, left)
    while left:
        changes: list[_Change] = []
        fates: dict[int, Fate] = {}
        refusals: list[Refusal] = []
        with connection.transaction() as attempt:
            for amendment, outcome in _applied(connection, left, by=by, reason=reason):
                if isinstance(outcome, _RefusedError):
                    refusals.append(
                        Refusal(index=amendment.index, reason=outcome.reason, detail=outcome.detail)
                    )
                elif outcome is None:
                    fates[amendment.index] = Fate.UNCHANGED
                else:
                    changes.append(outcome)
                    fates[amendment.index] = Fate.CORRECTED if outcome.before else Fate.ADDED
            changed = [change.amendment for change in changes]
            misfits = list(_misfits(changed, around, _around(connection, changed)))
            if misfits:
                # the others may only fit because of these
                raise psycopg.Rollback(attempt)
        if misfits:
            amended.refusals += misfits
            indices = {refusal.index for refusal in misfits}
            left = [amendment for amendment in left if amendment.index not in indices]
            continue
        _note(connection, facility, changes, by=by, reason=reason)
        amended.fates = fates
        amended.refusals += refusals
        break
    amended.refusals.sort(key=lambda refusal: refusal.index)
    return amended


def in_unit(channel: Channel, ts_us: int, sent: float | None) -> float | None:
    """Convert what is stored, which is what the device sent, to the channel's unit."""
    conversion = in_force_at(channel.in_force, ts_us).as_sent
    return sent if conversion is None or sent is None else conversion(sent)


def _applied(
    connection: psycopg.Connection[Any],
    amendments: Sequence[Amendment],
    *,
    by: str,
    reason: str,
) -> Iterator[tuple[Amendment, _Change | _RefusedError | None]]:
    """Store amendments in order, each with what changed; None: nothing did."""
    packing.keep_packers_off(connection, [amendment.channel.id for amendment in amendments])
    horizon = _scalar(connection, _HORIZON)
    unpacked_from_us = to_us(database_time.present(connection)) - packing.NEVER_PACKED_US
    for (_, day), same_day in groupby(
        amendments, key=lambda one: (one.channel.id, day_of(one.ts_us))
    ):
        rows = list(same_day)
        refused = None
        try:
            if day_of(unpacked_from_us) >= day:
                with connection.transaction():
                    packing.open_for_writing(
                        connection,
                        np.array([rows[0].channel.id], dtype=np.int64),
                        np.array([day], dtype=np.int64),
                    )
        except ArchivedDayError as error:
            refused = _RefusedError("archived", f"{error}; then correct it")
        for amendment in rows:
            try:
                # first: nothing brings back what was dropped
                _check_horizon(amendment, horizon)
                if refused is not None:
                    raise refused
                yield amendment, _apply(connection, amendment, by=by, reason=reason)
            except _RefusedError as error:
                yield amendment, error


def _check_horizon(amendment: Amendment, horizon: datetime | None) -> None:
    ts = from_us(amendment.ts_us)
    if horizon is not None and ts < horizon:
        raise _RefusedError(
            "too_late",
            f"the raw readings of {ts.isoformat()} are not kept any more; the totals of that time"
            " stay as they are",
        )


def _apply(
    connection: psycopg.Connection[Any],
    amendment: Amendment,
    *,
    by: str,
    reason: str,
) -> _Change | None:
    channel, ts = amendment.channel, from_us(amendment.ts_us)
    if channel.kind == "event":
        activity = _scalar(connection, _ACTIVITY, {"channel": channel.id, "ts": ts})
        if activity is not None:
            raise _RefusedError(
                "of_activity",
                f"this reading is of the activity {activity}; withdraw that with `tonne activities"
                " withdraw`, and import it anew",
            )
    stored = connection.execute(_STORED, (channel.id, ts)).fetchone()
    wanted = (amendment.value, amendment.quality)
    if stored is not None and _same(stored[0], wanted[0]) and stored[1] == wanted[1]:
        return None
    present = None if stored is None else (in_unit(channel, amendment.ts_us, stored[0]), stored[1])
    _check_seen(amendment.was, present, channel.unit)
    row = connection.execute(
        _AMEND,
        (
            channel.id,
            ts,
            *wanted,
            stored is not None,
            *(stored or (None, None)),
            by,
            reason,
        ),
    ).fetchone()
    if row is None or not row[0]:
        raise _RefusedError("changed", "somebody changed it at this very moment; look again")
    return _Change(amendment=amendment, before=present)


def _check_seen(was: Was | None, present: tuple[float | None, int] | None, unit: str) -> None:
    if present is None:
        if was is not None:
            raise _RefusedError(
                "not_stored",
                "there is no reading at this time; leave `was` out to add one, or state the time"
                " to the microsecond",
            )
        return
    shown = "no value" if present[0] is None else f"{present[0]!r} {unit}"
    if was is None:
        raise _RefusedError(
            "stored_already",
            f"there is a reading at this time, {shown}; state it as `was` to correct it",
        )
    if not _same(was.value, present[0]) or was.quality not in {None, present[1]}:
        raise _RefusedError(
            "changed",
            f"it is {shown} by now, not what `was` says; look again before you correct it",
        )


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME * _SAME)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Around:
    """A register around an instant: values as sent, of what counts; None: there is none."""

    before: float | None
    at_it: float | None
    after: float | None

    @property
    def falls(self) -> bool:
        """Whether a value is below the one before it."""
        values = [v for v in (self.before, self.at_it, self.after) if v is not None]
        return any(later < earlier for earlier, later in pairwise(values))


def _around(
    connection: psycopg.Connection[Any], amendments: Sequence[Amendment]
) -> dict[int, _Around]:
    """Read the registers around what is stated of them, by the index in the request."""
    registers = [one for one in amendments if one.channel.kind == "counter"]
    requests = [
        SeriesRequest(
            channel_id=one.channel.id,
            interval=Interval(start=one.ts_us // MINUTE_US, end=one.ts_us // MINUTE_US + 1),
            before=1,
            after=1,
        )
        for one in registers
    ]
    around = {}
    for one, readings in zip(
        registers, series.read(StoredReadings(connection), requests), strict=True
    ):
        usable = np.isfinite(readings.value)
        ts_us, value = readings.ts_us[usable], readings.value[usable]
        first, end = np.searchsorted(ts_us, [one.ts_us, one.ts_us + 1]).tolist()
        around[one.index] = _Around(
            before=float(value[first - 1]) if first else None,
            at_it=float(value[first]) if end > first else None,
            after=float(value[end]) if end < value.size else None,
        )
    return around


def _misfits(
    amendments: Sequence[Amendment], was: dict[int, _Around], now: dict[int, _Around]
) -> Iterator[Refusal]:
    """Return which values make a register fall that did not.

    Such a fall would count as a reset, and add the whole height of the register to a total.
    """
    for one in amendments:
        around = now.get(one.index)
        if around is None or around.at_it is None or not around.falls or was[one.index].falls:
            continue
        if around.before is None or around.after is None:
            # the first of a register, or the newest: it may be another meter's
            continue
        low, shown, high = (
            in_unit(one.channel, one.ts_us, value)
            for value in (around.before, around.at_it, around.after)
        )
        yield Refusal(
            index=one.index,
            reason="register_order",
            detail=f"the register would read {low!r}, {shown!r} and {high!r} {one.channel.unit} one"
            " after the other, which counts as a reset; correct those around it in the same"
            " request, if they are wrong too",
        )


def _note(
    connection: psycopg.Connection[Any],
    facility: str,
    changes: Sequence[_Change],
    *,
    by: str,
    reason: str,
) -> None:
    """Let the aggregator compute again what changed, and record who did it."""
    if not changes:
        return
    now_us = to_us(database_time.present(connection))
    name: Callable[[_Change], str] = lambda one: (  # noqa: E731 - a key of both below
        f"{one.amendment.channel.device}.{one.amendment.channel.slug}"
    )
    with connection.cursor() as cursor:
        name_minutes(
            cursor,
            facilities=np.array([c.amendment.channel.facility_id for c in changes], dtype=np.int64),
            channels=np.array([c.amendment.channel.id for c in changes], dtype=np.int64),
            ts_us=np.array([c.amendment.ts_us for c in changes], dtype=np.int64),
            received_us=np.full(len(changes), now_us, dtype=np.int64),
            reason=why.corrected(by, reason),
        )
    for subject, of_channel in groupby(sorted(changes, key=name), key=name):
        before: list[dict[str, Any]] = []
        after: list[dict[str, Any]] = []
        for change in of_channel:
            one = change.amendment
            time = from_us(one.ts_us)
            value, quality = change.before or (None, None)
            before.append({"time": time, "value": value, "quality": quality})
            stated = in_unit(one.channel, one.ts_us, one.value)
            after.append({"time": time, "value": stated, "quality": one.quality})
        record(
            connection,
            "reading.correct",
            by=by,
            facility=facility,
            subject=subject,
            before={"readings": before},
            after={"readings": after},
            reason=reason,
        )


def _scalar(connection: psycopg.Connection[Any], sql: Any, parameters: Any = None) -> Any:
    row = connection.execute(sql, parameters).fetchone()
    return None if row is None else row[0]
