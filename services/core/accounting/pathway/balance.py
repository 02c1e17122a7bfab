"""What of removals and credits may count against a path, beside gross emissions.

A path allows gross emissions, and nothing is netted against its allowances. What may count counts
against the residual alone, from the neutral year on: whoever emits more than the residual is not
neutral, whatever is removed.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.core.accounting.pathway.paths import Path

#: Of a sum of floats this much is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Counting:
    """What a rule lets count against the residual of a neutral year, in percent of it."""

    removals_percent: float
    credits_percent: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What was removed, and which credits were retired, in a year; kg."""

    removed_kg: float = 0.0
    #: of it, what is stored for good
    permanent_kg: float = 0.0
    credits_kg: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Gross emissions of a year, and what counts against them; kg."""

    gross_kg: float
    counted_removals_kg: float
    counted_credits_kg: float
    #: None: the year is before the neutral one, or nobody can tell yet
    is_neutral: bool | None

    @property
    def net_kg(self) -> float:
        """What is left of gross emissions; only ever shown with its parts."""
        return self.gross_kg - self.counted_removals_kg - self.counted_credits_kg


def balance(
    path: Path,
    year: int,
    gross_kg: float,
    removed: Removed,
    counting: Counting,
    *,
    is_settled: bool,
) -> Balance:
    """Hold what was removed in a year against what was emitted in it.

    Only what is stored for good counts as removed. Removals go before credits. ``is_settled``: the
    year is over, and enough of it is known: else what is still emitted, or is not known, might
    leave it above the residual.
    """
    if path.neutral_year is None or year < path.neutral_year:
        return Balance(
            gross_kg=gross_kg, counted_removals_kg=0.0, counted_credits_kg=0.0, is_neutral=None
        )
    open_kg = max(0.0, min(gross_kg, path.residual_kg))
    removals = min(
        open_kg, removed.permanent_kg, path.residual_kg * counting.removals_percent / 100
    )
    credits_kg = min(
        open_kg - removals, removed.credits_kg, path.residual_kg * counting.credits_percent / 100
    )
    left_kg = gross_kg - removals - credits_kg
    return Balance(
        gross_kg=gross_kg,
        counted_removals_kg=removals,
        counted_credits_kg=credits_kg,
        is_neutral=left_kg <= _ROUNDING * max(abs(gross_kg), 1.0) if is_settled else None,
    )
