"""Times and durations as Prometheus' calls write them."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Final

from services.api.prometheus.query import MAX_STEPS, QueryRange
from services.api.prometheus.refusals import BadQueryError
from services.core.timeline.instants import EPOCH, MILLISECOND

_DURATION: Final = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_UNITS_MS: Final = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1)
#: The years 1 and 9999, beyond which there is no date.
_EARLIEST_MS: Final = -62_135_596_800_000
_LATEST_MS: Final = 253_402_300_799_000


def read_time(name: str, text: str) -> int:
    """Read seconds since the epoch or RFC 3339 as milliseconds.

    :raises BadQueryError: it is neither.
    """
    try:
        ms = _whole(float(text) * 1000)
    except ValueError:
        ms = None
        try:
            instant = datetime.fromisoformat(text)
            ms = None if instant.tzinfo is None else (instant - EPOCH) // MILLISECOND
        except ValueError:
            pass
    if ms is None or not _EARLIEST_MS <= ms <= _LATEST_MS:
        raise BadQueryError(
            f'invalid parameter "{name}": cannot parse "{text[:40]}" to a valid timestamp'
        )
    return ms


def read_duration(name: str, text: str) -> int:
    """Read seconds or a duration such as 1h30m as milliseconds.

    :raises BadQueryError: it is neither.
    """
    try:
        ms = _whole(float(text) * 1000)
    except ValueError:
        written = _DURATION.fullmatch(text)
        parts = [] if written is None or not text else written.groups()
        ms = sum(int(n or 0) * unit for n, unit in zip(parts, _UNITS_MS, strict=False))
        ms = ms if parts else None
    if ms is None or abs(ms) > _LATEST_MS:
        raise BadQueryError(
            f'invalid parameter "{name}": cannot parse "{text[:40]}" to a valid duration'
        )
    return ms


def query_range(start: str, end: str, step: str) -> QueryRange:
    """Read the steps of a query over time.

    :raises BadQueryError: they are written wrongly, in no order or too many.
    """
    start_ms, end_ms = read_time("start", start), read_time("end", end)
    if end_ms < start_ms:
        raise BadQueryError('invalid parameter "end": end timestamp must not be before start time')
    step_ms = read_duration("step", step)
    if step_ms <= 0:
        raise BadQueryError(
            'invalid parameter "step": zero or negative query resolution step widths are not'
            " accepted. Try a positive integer"
        )
    if (end_ms - start_ms) // step_ms > MAX_STEPS:
        raise BadQueryError(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query"
            " resolution (?step=XX)"
        )
    return QueryRange(start_ms, end_ms, step_ms)


def _whole(ms: float) -> int | None:
    return round(ms) if math.isfinite(ms) else None
