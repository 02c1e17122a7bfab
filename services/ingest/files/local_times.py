"""Local times of a long list, as arrays, piece by piece, and of each channel by itself.

What they mean and how the passes of an hour that comes twice are told apart is as of the few times
of one message: see :mod:`..decode.put_back`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np

from services.core.timeline.instants import DAY_US
from services.ingest.decode.put_back import Instants, LocalTimes, PutBack
from services.ingest.files.rows import NO_TIME, Bools, Integers

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - as clocks show it
_EPOCH_DAY: Final = _EPOCH.date()


class ManyLocalTimes(LocalTimes):
    """What many local times of one zone mean."""

    def instants_us(self, local_us: Integers) -> tuple[Integers, Integers]:
        """Return both instants of many local times; ``NO_TIME`` where clocks never show one.

        ``local_us``: microseconds from 1970-01-01T00:00 by the clocks.
        """
        days = local_us // DAY_US
        distinct, number = np.unique(days, return_inverse=True)
        offsets = [self.offset_us(_EPOCH_DAY + timedelta(days=day)) for day in distinct.tolist()]
        first_us = local_us - np.array([offset or 0 for offset in offsets], dtype=np.int64)[number]
        second_us = first_us.copy()
        changing = np.array([offset is None for offset in offsets], dtype=np.bool_)[number]
        for i in np.flatnonzero(changing).tolist():
            meant = self.instants(_EPOCH + timedelta(microseconds=int(local_us[i])))
            first_us[i], second_us[i] = (
                (NO_TIME, NO_TIME) if meant is None else (meant.first_us, meant.second_us)
            )
        return first_us, second_us


class PutBackOfMany(PutBack):
    """Tells the passes of the hour of one channel apart, in the file's order."""

    def times_us(self, first_us: Integers, second_us: Integers) -> Integers:
        """Return the instants of the next times of the list; see :meth:`time_us`.

        ``NO_TIME`` in both stands for what is no time, and says nothing of the order.
        """
        if not len(first_us):
            return first_us
        twice: Bools = first_us != second_us
        if not twice.any():
            self._note_all(first_us[first_us != NO_TIME])
            return first_us
        return np.array(
            [
                NO_TIME if first == NO_TIME else self.time_us(Instants(first, second))
                for first, second in zip(first_us.tolist(), second_us.tolist(), strict=True)
            ],
            dtype=np.int64,
        )

    def _note_all(self, times_us: Integers) -> None:
        """Note times that are told once each."""
        if not times_us.size:
            return
        other = np.flatnonzero(times_us != times_us[-1])
        if other.size:
            self._before_us = int(times_us[other[-1]])
        self.note(int(times_us[-1]))
