"""Rows of a facility's newest minutes, remembered from one tick to the next by who wrote them.

A live minute is written again with each reading of it. What it held before needs no look-up where
the process that wrote it last is the one that writes it now. When it may not be is told as for
readings: see :mod:`services.aggregator.head`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.emissions import minute_rows
from services.core.store.emissions.minute_rows import MinuteRows


class LiveMinutes:
    """Rows that are stored, from some minute on; of others nothing is known here."""

    def __init__(self) -> None:
        self._first_minute = 0
        self.forget()

    def forget(self) -> None:
        """Forget all of them."""
        self._rows = MinuteRows.none()

    def begin(self, first_minute: int) -> None:
        """Remember no minute before this one."""
        self._first_minute = first_minute
        old = self._rows.minutes < first_minute
        if old.any():
            self._rows = self._rows.where(~old)

    def read(self, connection: psycopg.Connection[Any], keys: NDArray[np.int64]) -> MinuteRows:
        """Read the rows that are stored of ascending keys, and maybe others."""
        missing = keys[~self._rows.present(keys)]
        if not missing.size:
            return self._rows
        return self._rows.with_newer(minute_rows.stored(connection, missing))

    def remember(self, rows: MinuteRows) -> None:
        """Take note of rows that are stored by now."""
        self._rows = self._rows.with_newer(rows.where(rows.minutes >= self._first_minute))
