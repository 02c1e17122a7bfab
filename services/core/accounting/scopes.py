"""Scopes: what a facility's sources add up to, each thing counted once.

Scope 1 is what the facility itself emits. Scope 2 is reported twice, side by side and never added:
location-based (the grid's average) and market-based (what was contracted), GHG Protocol Scope 2
Guidance (2015), chapter 6. A source with one of the two only counts for both: where no contract
says otherwise the market-based figure is the grid's.

A boiler may have both a gas meter and a stack. The one that is reported names the other as its
`check`; the check counts nowhere, and how far the two are apart is reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.accounting.factors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTotal:
    """What one source emitted over a span; `market_kg` only where it differs by contract (scope 2).

    `co2_kg` None: unknown. `check` names the source that measures the same emission another way.
    """

    source: str
    scope: int
    co2_kg: float | None
    market_kg: float | None = None
    check: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How far a source and its check are apart.

    `kg` = source - check; `percent` of the check, None where that is zero or one is unknown.
    """

    source: str
    check: str
    kg: float | None
    percent: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScopeTotals:
    """kg over a span; None when a source that counts is unknown, 0 when there is none."""

    scope_1_kg: float | None
    scope_2_location_kg: float | None
    scope_2_market_kg: float | None
    differences: tuple[Difference, ...]


def counted(checks: Iterable[tuple[str, str | None]]) -> frozenset[str]:
    """Which sources count, of pairs (source, its check or None).

    ConfigurationError when a check is not a source, is its own, or has a check itself (two sources
    that check each other would both vanish).
    """
    named = dict(checks)
    for source, check in named.items():
        if check is None:
            continue
        if check not in named:
            raise ConfigurationError(f"source {source!r} names the check {check!r}: no such source")
        if check == source:
            raise ConfigurationError(f"source {source!r} names itself as its check")
        if named[check] is not None:
            raise ConfigurationError(
                f"source {source!r} names the check {check!r}, which has a check of its own"
            )
    return frozenset(named) - {check for check in named.values() if check is not None}


def totals(sources: Iterable[SourceTotal]) -> ScopeTotals:
    """Scope 1, and scope 2 both ways, over one span; ConfigurationError as `counted` raises it."""
    by_id = {source.source: source for source in sources}
    counting = counted((source.source, source.check) for source in by_id.values())
    one = [s.co2_kg for s in by_id.values() if s.source in counting and s.scope == 1]
    two = [s for s in by_id.values() if s.source in counting and s.scope == 2]
    return ScopeTotals(
        scope_1_kg=_sum(one),
        scope_2_location_kg=_sum([s.co2_kg for s in two]),
        scope_2_market_kg=_sum([s.co2_kg if s.market_kg is None else s.market_kg for s in two]),
        differences=tuple(
            difference(source, by_id[source.check])
            for source in by_id.values()
            if source.check is not None
        ),
    )


def _sum(parts: list[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def difference(source: SourceTotal, check: SourceTotal) -> Difference:
    """How far a source is from its check over the same span."""
    kg: float | None = None
    percent: float | None = None
    if source.co2_kg is not None and check.co2_kg is not None:
        kg = source.co2_kg - check.co2_kg
        percent = None if check.co2_kg == 0 else 100 * kg / check.co2_kg
    return Difference(source=source.source, check=check.source, kg=kg, percent=percent)
