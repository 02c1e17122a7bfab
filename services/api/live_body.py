"""The body of ``/v1/live`` and of the event ``live``: integers of the store to kilograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from services.core.store.live import SPANS, FacilityLive, SourceLive, SpanTotal

_UG_PER_KG = 1_000_000_000


def kg(micrograms: int) -> float:
    """Micrograms as kilograms."""
    return micrograms / _UG_PER_KG


def live_body(state: FacilityLive) -> dict[str, Any]:
    """Build the answer; what is unknown is null, never zero."""
    rates = [s.rate_ug_h for s in state.sources if s.rate_ug_h is not None]
    newest = [s.newest_minute for s in state.sources if s.newest_minute is not None]
    return {
        "as_of": state.as_of,
        "facility": state.slug,
        "rate_kg_h": sum(rates) / _UG_PER_KG if rates else None,
        "totals": {
            span: _facility_total([s.totals.get(span) for s in state.sources]) for span in SPANS
        },
        "sources": [_source(source) for source in state.sources],
        "alerts": [],
        "sequence": state.sequence,
        "changed_at": state.changed_at,
        "newest_minute": _newest(newest),
    }


def _source(source: SourceLive) -> dict[str, Any]:
    return {
        "id": source.slug,
        "scope": source.scope,
        "rate_kg_h": None if source.rate_ug_h is None else source.rate_ug_h / _UG_PER_KG,
        "totals": {span: _facility_total([source.totals.get(span)]) for span in SPANS},
        "newest_minute": source.newest_minute,
    }


def _facility_total(parts: Sequence[SpanTotal | None]) -> dict[str, float | None]:
    known = [part for part in parts if part is not None and part.covered_ms > 0]
    coverage = sum(_coverage(part) for part in known) / len(parts) if parts else 0.0
    return {
        "co2_kg": kg(sum(part.co2_ug for part in known)) if known else None,
        "co2e_kg": kg(sum(part.co2e_ug for part in known)) if known else None,
        "coverage": round(coverage, 6),
    }


def _coverage(total: SpanTotal) -> float:
    return min(1.0, total.covered_ms / total.window_ms)


def _newest(minutes: Iterable[datetime]) -> datetime | None:
    return max(minutes, default=None)
