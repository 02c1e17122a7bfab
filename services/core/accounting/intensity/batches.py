"""Batches as a channel tells them: its value is the number of the one that is being made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningNumber:
    """A batch, from when it begins to when it ends; microseconds since the epoch."""

    name: str
    begins_us: int
    ends_us: int


def numbered(
    ts_us: NDArray[np.int64], value: NDArray[np.float64], now_us: int
) -> Iterator[RunningNumber]:
    """Find the batches of ascending readings; one that still runs ends for now at ``now_us``.

    A batch begins with its number and ends with another one, or with 0. The same number again goes
    on with it.
    """
    if not ts_us.size:
        return
    changes = np.flatnonzero(np.diff(value, prepend=np.nan) != 0)
    ends = np.append(ts_us[changes[1:]], now_us)
    for begin, end, number in zip(ts_us[changes], ends, value[changes], strict=True):
        if number != 0:
            yield RunningNumber(name=f"{number:.15g}", begins_us=int(begin), ends_us=int(end))
