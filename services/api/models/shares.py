"""By what method the figures of a span of time came about, as shares of that time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from services.core.store.emissions.hour_quality import QUALITIES
from services.core.store.schema.figures import SHARES


def shares(length_ms: float, methods_ms: Sequence[int]) -> dict[str, float]:
    """Shares of ``length_ms``, which add up to 1; what no method stands for is missing.

    ``methods_ms``: the time of each method, in the order of ``SHARES``.
    """
    if length_ms <= 0:
        return {**dict.fromkeys(SHARES, 0.0), "missing": 1.0}
    if methods_ms[0] < 0:
        # uncertain readings of hours that closing took out of the measured time
        methods_ms = _without(-methods_ms[0], methods_ms)
    known_ms = sum(methods_ms)
    missing_ms = max(0.0, length_ms - known_ms)
    all_ms = missing_ms + known_ms
    by_method = {name: ms / all_ms for name, ms in zip(SHARES, methods_ms, strict=True)}
    return {**by_method, "missing": missing_ms / all_ms}


def _without(taken_ms: int, methods_ms: Sequence[int]) -> list[int]:
    """Return the times with none measured, and as much less of the others as was below zero."""
    left = [0, *methods_ms[1:]]
    for i in reversed(range(1, len(left))):
        part_ms = min(left[i], taken_ms)
        left[i] -= part_ms
        taken_ms -= part_ms
    return left


def quality(by_method: Mapping[str, float]) -> str:
    """Return the word for a span of time with these shares, as an hour has one."""
    if by_method["missing"] >= 1:
        return "missing"
    if by_method["substituted"] > 0:
        return "substituted"
    if by_method["missing"] > 0:
        return "partial"
    return "estimated" if by_method["estimated"] > by_method["measured"] else "measured"


def share_columns(
    length_ms: NDArray[np.float64], methods_ms: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.float64]]:
    """Return :func:`shares` of many lengths of time, none of which is 0.

    ``methods_ms``: the time of each method, in the order of ``SHARES``.
    """
    times = list(methods_ms.values())
    if (times[0] < 0).any():
        times = _without_columns(times)
    known_ms = sum(times)
    missing_ms = np.maximum(0.0, length_ms - known_ms)
    all_ms = missing_ms + known_ms
    by_method = {name: ms / all_ms for name, ms in zip(SHARES, times, strict=True)}
    return {**by_method, "missing": missing_ms / all_ms}


def _without_columns(times: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    taken = np.maximum(0, -times[0])
    left = [np.maximum(0, times[0]), *times[1:]]
    for i in reversed(range(1, len(left))):
        part = np.where(taken > 0, np.minimum(left[i], taken), 0)
        left[i] = left[i] - part
        taken = taken - part
    return left


def quality_column(by_method: Mapping[str, NDArray[np.float64]]) -> NDArray[np.int64]:
    """Return :func:`quality` of many spans of time, as indices into ``QUALITIES``."""
    mostly_estimated = by_method["estimated"] > by_method["measured"]
    words = ("missing", "substituted", "partial", "estimated")
    return np.select(
        [
            by_method["missing"] >= 1,
            by_method["substituted"] > 0,
            by_method["missing"] > 0,
            mostly_estimated,
        ],
        [QUALITIES.index(word) for word in words],
        default=QUALITIES.index("measured"),
    )
