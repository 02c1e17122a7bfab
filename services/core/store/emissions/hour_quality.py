"""How good an hour's figure is, in one word, where no rule finalised it."""

from __future__ import annotations

from typing import Final, LiteralString

#: Every quality; arrays have the index into this.
QUALITIES: Final = ("measured", "partial", "missing", "substituted", "estimated")

#: The qualities of an hour that a rule closed without a value: what readings cover of it is told by
#: the word, and enters no total.
VALUELESS: Final = ("missing", "partial")

#: SQL of the same, of a row with quality and code.
HAS_NO_VALUE: LiteralString = "(code IS NOT NULL AND quality IN ('missing', 'partial'))"


def has_value(*, quality: str, code: str | None, covered_ms: int) -> bool:
    """Return whether an hour has a figure: nothing is known of it, or its rule found it invalid."""
    if code is not None:
        return quality not in VALUELESS
    return covered_ms > 0


def hour_quality(covered_ms: LiteralString, estimated_ms: LiteralString) -> LiteralString:
    """Return SQL of the quality of an hour that no rule finalised.

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
