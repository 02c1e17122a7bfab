"""What a foreign payload tells about a value beside it: its quality and its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.core.facility.mapping_expression import Budget
from services.core.facility.mapping_model import word
from services.ingest.decode.cells import COMMA, selected
from services.ingest.decode.observation import GOOD, QUALITY
from services.ingest.decode.selection import MISSING, Selection, nothing
from services.ingest.decode.shown import shown
from services.ingest.decode.text_number import apart


@dataclass(frozen=True, kw_only=True, slots=True)
class QualityRule:
    """Where a message tells the quality of a value, and in which words."""

    select: Selection
    words: Mapping[str, int]
    #: None: a word that is not known is refused, and where there is none the value is good
    default: int | None

    def fixed(self, raw: Any) -> QualityRule:
        """Return the rule for one value of a list, whose quality ``raw`` tells."""
        return replace(self, select=lambda _record: raw)

    def quality(self, raw: Any) -> int:
        """Return the quality as stored that a word means.

        :raises ValueError: the word is not known.
        """
        if raw is MISSING or raw is None:
            return GOOD if self.default is None else self.default
        text = word(raw)
        quality = self.default if text is None else self.words.get(text, self.default)
        if quality is None:
            raise ValueError(f"{shown(raw)} is not in quality.map; add what it means, or a default")
        return quality


@dataclass(frozen=True, kw_only=True, slots=True)
class UnitRule:
    """Where a message tells the unit of a value, and in which words."""

    select: Selection
    words: Mapping[str, str]
    #: whether it stands behind the number, in one text
    is_suffix: bool = False

    def fixed(self, raw: Any) -> UnitRule:
        """Return the rule for one value of a list, whose unit ``raw`` tells."""
        return replace(self, select=lambda _record: raw)

    def apart(self, raw: Any, record: Any) -> tuple[Any, str | None]:
        """Return what a value is without its unit, and the unit; None: none is told.

        :raises ValueError: it is no word.
        """
        if not self.is_suffix:
            return raw, self.unit(self.select(record))
        parts = apart(raw) if isinstance(raw, str) else None
        if parts is None:
            return raw, None
        # meters write 004567.123*kWh (IEC 62056-21)
        written = parts[1] if parts[1] in self.words else parts[1].removeprefix("*")
        return parts[0], self.unit(written)

    def unit(self, raw: Any) -> str | None:
        """Return the unit that a word means; None: none is told.

        :raises ValueError: it is no word.
        """
        if raw is MISSING or raw is None:
            return None
        text = word(raw)
        if text is None:
            raise ValueError(f"{shown(raw)} is not a unit")
        return self.words.get(text, text)


def quality_rule(part: Mapping[str, Any], budget: Budget, delimiter: str = COMMA) -> QualityRule:
    """Return the rule that a ``quality`` of the facility file states."""
    default = part.get("default")
    return QualityRule(
        select=selected(part, budget, delimiter),
        words={text: QUALITY[name] for text, name in part["map"].items()},
        default=None if default is None else QUALITY[default],
    )


def unit_rule(part: Mapping[str, Any], budget: Budget, delimiter: str = COMMA) -> UnitRule:
    """Return the rule that ``unit: {from: ...}`` or ``unit: {suffix: true}`` of the file states."""
    is_suffix = part.get("suffix", False)
    return UnitRule(
        select=nothing if is_suffix else selected(part, budget, delimiter),
        words=part.get("map") or {},
        is_suffix=is_suffix,
    )
