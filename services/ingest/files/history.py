"""Rows of history until their days are complete, and the pieces in which they are stored.

A file is read in pieces that end anywhere. A day that was stored half would be opened for its other
half, so that what may go on, the day of each channel's last row, waits for what comes behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.core.timeline.instants import DAY_US
from services.ingest.files.history_rows import HistoryRows
from services.ingest.files.rows import Bools

#: Rows that wait at most: some 40 MB.
MAX_ROWS: Final = 500_000

#: Rows that are stored in one transaction, whole days of channels: what is live and others who
#: write history wait for one, and the aggregator takes its minutes in one tick.
_PIECE_ROWS: Final = 20_000


class History:
    """Rows in the order in which they came."""

    def __init__(self) -> None:
        self._parts: list[HistoryRows] = []
        self._size = 0

    @property
    def full(self) -> bool:
        """Whether enough wait to be taken."""
        return self._size >= MAX_ROWS

    def add(self, rows: HistoryRows) -> None:
        """Let rows wait."""
        if len(rows):
            self._parts.append(rows)
            self._size += len(rows)

    def take(self, *, ends: bool = False) -> HistoryRows | None:
        """Take rows whose days are complete, in order of facility, channel and time; None: none.

        All of them where what was read ``ends``, or where half of them would stay.
        """
        if not self._parts:
            return None
        rows, self._parts, self._size = HistoryRows.joined(self._parts), [], 0
        if not ends:
            open_days = _open_days(rows)
            if open_days.sum() * 2 <= len(rows):
                self.add(rows.where(open_days))
                rows = rows.where(~open_days)
        return rows.where(np.lexsort((rows.ts_us, rows.channel, rows.facility)))


def _open_days(rows: HistoryRows) -> Bools:
    """Return which rows lie in the day of the last row of their channel, as they came."""
    channels, last_from_end, number = np.unique(
        rows.channel[::-1], return_index=True, return_inverse=True
    )
    last_days = (rows.ts_us[::-1] // DAY_US)[last_from_end]
    open_days: Bools = rows.ts_us // DAY_US == last_days[number[::-1]]
    assert channels.size == last_days.size  # noqa: S101 - one of each
    return open_days


def partition(rows: HistoryRows) -> tuple[HistoryRows, HistoryRows, int]:
    """Return the rows in order that can be stored as they are, and those that are to be judged.

    Of several for one channel and time the first can be stored; none where one of them is not
    plain, because what came first may be that one. How many say the same as the first comes last.
    """
    again = np.zeros(len(rows), dtype=np.bool_)
    again[1:] = (rows.channel[1:] == rows.channel[:-1]) & (rows.ts_us[1:] == rows.ts_us[:-1])
    firsts = np.flatnonzero(~again)
    key = np.cumsum(~again) - 1
    in_doubt = (np.bincount(key, weights=~rows.is_plain) > 0)[key]
    first = firsts[key]
    same = again & (rows.value == rows.value[first]) & (rows.missing == rows.missing[first])
    same &= (rows.quality == rows.quality[first]) & ~in_doubt
    stored = ~(again | in_doubt)
    return rows.where(stored), rows.where(~stored & ~same), int(same.sum())


def pieces(rows: HistoryRows) -> Iterator[HistoryRows]:
    """Yield rows in order piece by piece, each of one facility and of whole days of channels."""
    keys = rows.ts_us // DAY_US
    differs = np.ones(len(rows), dtype=np.bool_)
    differs[1:] = (keys[1:] != keys[:-1]) | (rows.channel[1:] != rows.channel[:-1])
    begins = np.flatnonzero(differs)
    ends = np.append(begins[1:], len(rows))
    facility = rows.facility[begins]
    first = 0
    for i in range(begins.size):
        is_last = i + 1 == begins.size or facility[i + 1] != facility[i]
        if is_last or ends[i + 1] - begins[first] > _PIECE_ROWS:
            yield rows.where(slice(int(begins[first]), int(ends[i])))
            first = i + 1
