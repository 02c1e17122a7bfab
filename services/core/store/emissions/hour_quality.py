"""How good an hour's figure is, in one word, where no rule judged it."""

from __future__ import annotations

from typing import LiteralString


def hour_quality(covered_ms: LiteralString, estimated_ms: LiteralString) -> LiteralString:
    """Return SQL of the quality of an hour that no rule judged.

    It is told by the greater share: a few minutes of guesswork make no hour estimated.
    """
    return (
        "CASE WHEN "
        + covered_ms
        + " <= 0 THEN 'missing' WHEN "
        + covered_ms
        + " < 3600000 THEN 'partial' WHEN 2 * ("
        + estimated_ms
        + ") > "
        + covered_ms
        + " THEN 'estimated' ELSE 'measured' END"
    )
