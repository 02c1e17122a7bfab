"""What thresholds on channels watch: values that gauges hold, and their means over a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.accounting.gauges import minute_extremes, minute_means
from services.core.accounting.series import ChannelRule
from services.core.store.readings import series
from services.core.store.registry.watch_plan import Watched
from services.core.timeline.windows import rolling_minutes

Floats = NDArray[np.float64]


def values(
    connection: psycopg.Connection[Any],
    rules: Mapping[int, ChannelRule],
    watched: Sequence[tuple[int, Watched]],
    first: int,
    last: int,
) -> Iterator[tuple[int, Floats]]:
    """The row and the values of each threshold, in its channel's unit; NaN: nothing holds.

    A value is the farthest one towards the limit that held in the minute, so that no reading that
    comes later in it can take it back. An average is weighted by time.
    """
    lengths = [rolling_minutes(each.spec.window or "1m") or 1 for _, each in watched]
    spans = [
        series.Span(
            channel_id=each.channel_id or 0, first_minute=first - length + 1, last_minute=last,
            before=1,
        )
        for (_, each), length in zip(watched, lengths, strict=True)
    ]  # fmt: skip
    found = series.read(connection, spans)
    for (row, each), length, readings in zip(watched, lengths, found, strict=True):
        gap_us = rules[each.channel_id or 0].max_gap_us
        if each.spec.measure == "value":
            low, high = minute_extremes(readings.ts_us, readings.value, gap_us, first, last)
            yield row, low if each.spec.above is None else high
            continue
        mean, covered = minute_means(
            readings.ts_us, readings.value, gap_us, first - length + 1, last
        )
        yield row, _rolling_mean(mean, covered, length)


def _rolling_mean(mean: Floats, covered: NDArray[np.int64], length: int) -> Floats:
    weighted = np.concatenate(([0.0], np.cumsum(np.nan_to_num(mean) * covered)))
    weight = np.concatenate(([0], np.cumsum(covered)))
    amount, time = weighted[length:] - weighted[:-length], weight[length:] - weight[:-length]
    return np.where(time > 0, amount / np.maximum(time, 1), np.nan)
