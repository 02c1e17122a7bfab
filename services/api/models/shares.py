"""By what method the figures of a span of time came about, as shares of that time."""

from __future__ import annotations


def shares(
    length_ms: float, *, measured_ms: int, substituted_ms: int, estimated_ms: int
) -> dict[str, float]:
    """Shares of ``length_ms``, which add up to 1; what no method stands for is missing."""
    if length_ms <= 0:
        return {"measured": 0.0, "substituted": 0.0, "estimated": 0.0, "missing": 1.0}
    missing_ms = max(0.0, length_ms - measured_ms - substituted_ms - estimated_ms)
    all_ms = missing_ms + measured_ms + substituted_ms + estimated_ms
    return {
        "measured": measured_ms / all_ms,
        "substituted": substituted_ms / all_ms,
        "estimated": estimated_ms / all_ms,
        "missing": missing_ms / all_ms,
    }
