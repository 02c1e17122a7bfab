"""What stands beside a year of paths: removals, credits, and what of them counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from services.api.http.shapes import Row
from services.api.routes.pathway_groups import ScopeStanding
from services.core.accounting.pathway.balance import Removed, balance
from services.core.accounting.pathway.progress import is_known_enough


def removed_row(parts: Sequence[ScopeStanding], year: int) -> Row:
    """Return what all removed and retired in a year."""
    of_parts = [part.reading.removed.get(year, Removed()) for part in parts]
    return {
        name: math.fsum(getattr(part, name) for part in of_parts)
        for name in ("removed_kg", "permanent_kg", "credits_kg")
    }


def balance_row(parts: Sequence[ScopeStanding], year: int) -> Row:
    """Return what counts of removals and credits, and net emissions beside these parts of theirs.

    Nothing is netted between facilities: each has its own residual.
    """
    balances = [
        balance(
            part.path,
            year,
            part.actual[year].kg,
            part.reading.removed.get(year, Removed()),
            part.reading.stated.spec.counting,
            is_settled=year < part.reading.now.year
            and is_known_enough(part.actual[year].known_share),
        )
        for part in parts
        if part.path is not None and year in part.actual
    ]
    if len(balances) < len(parts):
        names = ("counted_removals_kg", "counted_credits_kg", "net_kg", "neutral")
        return dict.fromkeys(names)
    verdicts = [b.is_neutral for b in balances]
    return {
        "counted_removals_kg": math.fsum(b.counted_removals_kg for b in balances),
        "counted_credits_kg": math.fsum(b.counted_credits_kg for b in balances),
        "net_kg": math.fsum(b.net_kg for b in balances),
        "neutral": None if None in verdicts else all(verdicts),
    }


def counting_row(parts: Sequence[ScopeStanding]) -> Row:
    """Return what the policies and files of paths let count, and why."""
    specs = [part.reading.stated.spec for part in parts]
    return {
        "removals_may_count": _percentages(spec.counting.removals_percent for spec in specs),
        "credits_may_count": _percentages(spec.counting.credits_percent for spec in specs),
        "counting": "; ".join(dict.fromkeys(spec.definition.counting for spec in specs)),
    }


def _percentages(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in sorted(set(values)))
