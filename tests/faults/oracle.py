"""Holds the database against the books: readings one by one, totals by a plain recomputation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import psycopg

from tests.faults.books import Books
from tests.faults.facility import CO2_KG_PER_KWH, FACILITY
from tests.integration.packed import unpack_all, unpack_all_minutes

_HOLD_MS = 60_000
_MINUTE_MS = 60_000
_F_11_KG = 5.7e-7 * 907.18474

#: Channels by the source that they are the input of.
_REGISTERS = {
    "register": "f-meter.energy",
    "edge": "f-edge.energy",
    "p1": "f-p1.energy",
    "modbus": "f-modbus.energy",
}
_GAUGES = {"gauge": "f-meter.power", "station": "f-station.power"}

_READINGS = """
SELECT d.slug || '.' || c.slug, (extract(epoch FROM r.ts) * 1000)::int8, r.value
FROM reading r JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id
WHERE r.ts > to_timestamp(%(after_s)s) AND f.slug = %(facility)s
"""
_MINUTES = """
SELECT s.slug, (extract(epoch FROM m.minute)::int8 / 60), m.co2_ug / 1e9, m.covered_ms
FROM emission_minute m JOIN source s ON s.id = m.source_id
JOIN facility f ON f.id = s.facility_id
WHERE m.covered_ms > 0 AND m.minute >= to_timestamp(%(first_s)s) AND f.slug = %(facility)s
"""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What differs; a promise kept is all zeros."""

    #: acknowledged and not stored
    lost: int
    #: stored and never acknowledged, or with another value
    invented: int
    #: minutes whose total differs from the recomputation
    wrong_minutes: int
    quarantined: int

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.invented or self.wrong_minutes or self.quarantined)


def compare(
    connection: psycopg.Connection[tuple[object, ...]],
    books: Books,
    *,
    after_ms: int | None = None,
    refused: int = 0,
) -> Findings:
    """Compare everything that was ever acknowledged with everything that is stored.

    Packed days are opened for it, each under the digest that it was packed with, and stay packed.
    ``after_ms``: only what is later than this, in ms since the epoch. ``refused``: messages that
    belong into quarantine.
    """
    while True:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                unpack_all(connection)
                unpack_all_minutes(connection)
                found = _compare(connection, books, after_ms or 0)
                return replace(found, quarantined=abs(found.quarantined - refused))
        except psycopg.errors.SerializationFailure:
            # a packer was at work in it
            continue


def _compare(
    connection: psycopg.Connection[tuple[object, ...]], books: Books, after_ms: int
) -> Findings:
    later = {"after_s": after_ms / 1000, "facility": FACILITY}
    stored = {(row[0], row[1]): row[2] for row in connection.execute(_READINGS, later)}
    booked = {
        (channel, ts_ms): value
        for channel, of_channel in books.readings.items()
        for ts_ms, value in of_channel.items()
        if ts_ms > after_ms
    }
    allowed = {**books.unacknowledged, **booked}
    row = connection.execute("SELECT count(*) FROM quarantine WHERE state = 'open'").fetchone()
    return Findings(
        lost=sum(key not in stored for key in booked),
        invented=sum(allowed.get(key) != value for key, value in stored.items()),
        wrong_minutes=_wrong_minutes(connection, books, after_ms),
        quarantined=int(str(row[0])) if row else 0,
    )


def _wrong_minutes(
    connection: psycopg.Connection[tuple[object, ...]], books: Books, after_ms: int
) -> int:
    first = after_ms // _MINUTE_MS + 1 if after_ms else 0
    totals: dict[tuple[str, int], tuple[float, float]] = {
        (str(source), int(str(minute))): (float(str(kg)), float(str(covered)) / 1000)
        for source, minute, kg, covered in connection.execute(
            _MINUTES, {"first_s": first * 60, "facility": FACILITY}
        )
    }
    expected = {
        key: total
        for key, total in recomputed(_near(books.readings, after_ms)).items()
        if key[1] >= first
    }
    return sum(
        not _alike(totals.get(key, (0.0, 0.0)), expected.get(key, (0.0, 0.0)))
        for key in totals.keys() | expected.keys()
    )


def _near(
    readings: Mapping[str, Mapping[int, float]], after_ms: int
) -> dict[str, dict[int, float]]:
    """Return the readings later than ``after_ms``, and of each channel the newest before them."""
    near = {}
    for channel, series in readings.items():
        newest = max((ts_ms for ts_ms in series if ts_ms <= after_ms), default=after_ms)
        near[channel] = {ts_ms: value for ts_ms, value in series.items() if ts_ms >= newest}
    return near


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) < 1e-6 and abs(one[1] - other[1]) < 2e-3


def recomputed(
    readings: Mapping[str, Mapping[int, float]],
) -> dict[tuple[str, int], tuple[float, float]]:
    """kg CO2 and covered seconds by source and minute, the plain way."""
    found: dict[tuple[str, int], tuple[float, float]] = {}
    for source, channel in _REGISTERS.items():
        for minute, (kwh, seconds) in _register(readings.get(channel, {})).items():
            found[source, minute] = (kwh * CO2_KG_PER_KWH, seconds)
    for source, channel in _GAUGES.items():
        for minute, (kw, seconds) in _held(readings.get(channel, {})).items():
            found[source, minute] = (kw * seconds / 3600 * CO2_KG_PER_KWH, seconds)
    co2, flow = (_held(readings.get(f"f-cems.{name}", {})) for name in ("co2", "flow"))
    for minute, (percent, seconds) in co2.items():
        if minute in flow:
            both = min(seconds, flow[minute][1])
            found["stack", minute] = (_F_11_KG * percent * flow[minute][0] * both / 3600, both)
    return found


def _register(series: Mapping[int, float]) -> dict[int, tuple[float, float]]:
    """Energy and covered seconds by minute: each rise spread evenly over its time."""
    amounts: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    times = sorted(series)
    for begin, end in pairwise(times):
        rise = series[end] - series[begin]
        for minute, length in _minutes(begin, end):
            amounts[minute][0] += rise * length / (end - begin)
            amounts[minute][1] += length / 1000
    return {minute: (amount, seconds) for minute, (amount, seconds) in amounts.items()}


def _held(series: Mapping[int, float]) -> dict[int, tuple[float, float]]:
    """Mean and covered seconds by minute: a value holds until the next, a minute at most."""
    sums: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    times = sorted(series)
    for begin, following in zip(times, [*times, None][1:], strict=True):
        end = begin + _HOLD_MS if following is None else min(following, begin + _HOLD_MS)
        for minute, length in _minutes(begin, end):
            sums[minute][0] += series[begin] * length
            sums[minute][1] += length
    return {minute: (total / length, length / 1000) for minute, (total, length) in sums.items()}


def _minutes(begin_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Minutes since the epoch that a span touches, with the milliseconds in each."""
    pieces = []
    at = begin_ms
    while at < end_ms:
        until = min(end_ms, (at // _MINUTE_MS + 1) * _MINUTE_MS)
        pieces.append((at // _MINUTE_MS, until - at))
        at = until
    return pieces
