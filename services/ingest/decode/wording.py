"""What a foreign payload tells about a value beside it: its quality and its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.core.facility.mapping_expression import Budget
from services.core.facility.mapping_model import word
from services.ingest.decode.observation import GOOD, QUALITY
from services.ingest.decode.selection import MISSING, Selection, selection
from services.ingest.decode.shown import shown


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityRule:
    """Where a message tells the quality of a value, and in which words."""

    select: Selection
    words: Mapping[str, int]
    #: None: a word that is not known is refused, and where there is none the value is good
    default: int | None

    def at(self, said: Any) -> QualityRule:
        """Return the rule for one value of a list, whose quality ``said`` tells."""
        return replace(self, select=lambda _record: said)

    def quality(self, said: Any) -> int:
        """Return the quality as stored that a word means.

        :raises ValueError: the word is not known.
        """
        if said is MISSING or said is None:
            return GOOD if self.default is None else self.default
        text = word(said)
        found = self.default if text is None else self.words.get(text, self.default)
        if found is None:
            raise ValueError(
                f"{shown(said)} is not in quality.map; add what it means, or a default"
            )
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitRule:
    """Where a message tells the unit of a value, and in which words."""

    select: Selection
    words: Mapping[str, str]

    def at(self, said: Any) -> UnitRule:
        """Return the rule for one value of a list, whose unit ``said`` tells."""
        return replace(self, select=lambda _record: said)

    def unit(self, said: Any) -> str | None:
        """Return the unit that a word means; None: none is told.

        :raises ValueError: it is no word.
        """
        if said is MISSING or said is None:
            return None
        text = word(said)
        if text is None:
            raise ValueError(f"{shown(said)} is no unit")
        return self.words.get(text, text)


def quality_rule(part: Mapping[str, Any], budget: Budget) -> QualityRule:
    """Return the rule that a ``quality`` of the facility file states."""
    default = part.get("default")
    return QualityRule(
        select=selection(part["from"], budget),
        words={each: QUALITY[name] for each, name in part["map"].items()},
        default=None if default is None else QUALITY[default],
    )


def unit_rule(part: Mapping[str, Any], budget: Budget) -> UnitRule:
    """Return the rule that ``unit: {from: ...}`` of the facility file states."""
    return UnitRule(select=selection(part["from"], budget), words=part.get("map") or {})
