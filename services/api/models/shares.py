"""By what method the figures of a span of time came about, as shares of that time."""

from __future__ import annotations

from collections.abc import Sequence

from services.core.store.schema.figures import SHARES


def shares(length_ms: float, methods_ms: Sequence[int]) -> dict[str, float]:
    """Shares of ``length_ms``, which add up to 1; what no method stands for is missing.

    ``methods_ms``: the time of each method, in the order of ``SHARES``.
    """
    if length_ms <= 0:
        return {**dict.fromkeys(SHARES, 0.0), "missing": 1.0}
    known_ms = sum(methods_ms)
    missing_ms = max(0.0, length_ms - known_ms)
    all_ms = missing_ms + known_ms
    by_method = {name: ms / all_ms for name, ms in zip(SHARES, methods_ms, strict=True)}
    return {**by_method, "missing": missing_ms / all_ms}
