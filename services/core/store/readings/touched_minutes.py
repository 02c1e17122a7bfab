"""Names the minutes whose readings changed, so that aggregators compute them after the COMMIT."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.database import notify
from services.core.store.packing.days import Integers
from services.core.timeline.instants import DAY_US, MINUTE_US

#: The aggregators hear of it with the COMMIT.
_TOUCH: Final = """
WITH named AS (
    INSERT INTO touched (facility_id, channel_ids, minutes, seconds, reason, live)
    VALUES (%s, %s, %s, %s, %s, %s)
    RETURNING facility_id
)
SELECT pg_notify(%s, facility_id::text) FROM named
"""


def name_minutes(
    cursor: psycopg.Cursor[Any],
    *,
    facilities: Integers,
    channels: Integers,
    ts_us: Integers,
    received_us: Integers,
    reason: str | None = None,
) -> None:
    """Name the (channel, minute) pairs of readings, and from which second on each changes.

    Naming one whose rows were all duplicates is harmless. History has a row of its own, so that
    what is live need not wait until all of it is claimed. ``reason``: why closed hours change; of
    late readings the aggregator finds the words.
    """
    targets = facilities * 2 + (ts_us > received_us - DAY_US)
    # by facility and liveness, then channel, then time: the first of each pair is its earliest
    order = np.lexsort((ts_us, channels, targets))
    targets, channels, ts_us = targets[order], channels[order], ts_us[order]
    minutes = (ts_us // MINUTE_US).astype(np.int32)
    differs = np.ones(order.size, dtype=np.bool_)
    differs[1:] = (
        (channels[1:] != channels[:-1])
        | (minutes[1:] != minutes[:-1])
        | (targets[1:] != targets[:-1])
    )
    firsts = np.flatnonzero(differs)
    targets, channels, minutes = targets[firsts], channels[firsts], minutes[firsts]
    channels = channels.astype(np.int32)
    seconds = (ts_us[firsts] % MINUTE_US // 1_000_000).astype(np.int16)
    rows_of, begins = np.unique(targets, return_index=True)
    for target, begin, end in zip(
        rows_of.tolist(), begins, [*begins[1:], firsts.size], strict=True
    ):
        facility_id, live = divmod(target, 2)
        part = slice(begin, end)
        notify.tell_step(cursor.execute, notify.TRACED_READINGS, facility_id)
        cursor.execute(
            _TOUCH,
            (
                facility_id,
                channels[part],
                minutes[part],
                seconds[part],
                reason,
                bool(live),
                notify.INVALIDATED,
            ),
        )
