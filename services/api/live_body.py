"""The body of ``/v1/live`` and of the event ``live``: integers of the store to kilograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.api.bands import SourceMass, band_kg, kg
from services.api.shares import shares
from services.core.accounting.scopes import SourceTotal, difference
from services.core.store.accounts import SourceAccount
from services.core.store.live import SPANS, FacilityLive, SourceLive, SpanTotal

Accounts = Mapping[str, SourceAccount]


def live_body(
    state: FacilityLive, accounts: Accounts, alerts: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Build the answer; what is unknown is null, never zero. ``alerts``: those that stand.

    A source that is another's check stands among the sources and counts in no sum.
    """
    shown = [s for s in state.sources if s.active or _has_totals(s)]
    counting = [s for s in shown if _counts(s, accounts)]
    rates = [s.rate_ug_h for s in counting if s.rate_ug_h is not None]
    newest = [s.newest_minute for s in state.sources if s.newest_minute is not None]
    scopes = sorted({source.scope for source in counting})
    return {
        "as_of": state.as_of,
        "facility": state.slug,
        "rate_kg_h": kg(sum(rates)) if rates else None,
        "totals": _totals(state, counting, accounts),
        "scopes": [
            {
                "scope": scope,
                "totals": _totals(state, [s for s in counting if s.scope == scope], accounts),
            }
            for scope in scopes
        ],
        "sources": [_source(state, source, accounts) for source in shown],
        "checks": _checks(state, accounts),
        "alerts": list(alerts),
        "sequence": state.sequence,
        "changed_at": state.changed_at,
        "newest_minute": _newest(newest),
    }


def _counts(source: SourceLive, accounts: Accounts) -> bool:
    account = accounts.get(source.slug)
    return (account is None or account.counts) and not source.succeeded


def _has_totals(source: SourceLive) -> bool:
    return any(_is_known(total) for total in source.totals.values())


def _source(state: FacilityLive, source: SourceLive, accounts: Accounts) -> dict[str, Any]:
    return {
        "id": source.slug,
        "scope": source.scope,
        "active": source.active,
        "counts": _counts(source, accounts),
        "rate_kg_h": None if source.rate_ug_h is None else kg(source.rate_ug_h),
        "totals": _totals(state, [source], accounts),
        "newest_minute": source.newest_minute,
    }


def _totals(
    state: FacilityLive, sources: Sequence[SourceLive], accounts: Accounts
) -> dict[str, dict[str, Any]]:
    return {span: _total(state, sources, span, accounts) for span in SPANS}


def _total(
    state: FacilityLive, sources: Sequence[SourceLive], span: str, accounts: Accounts
) -> dict[str, Any]:
    known: list[tuple[SourceLive, SpanTotal]] = []
    # in one pass: there may be thousands of sources, each with every window
    expected_ms = window_ms = unstated = covered_ms = 0
    measured_ms = substituted_ms = estimated_ms = 0
    co2_ug = co2e_ug = market_ug = 0
    for source in sources:
        part = source.totals.get(span)
        if part is None:
            unstated += 1
            continue
        expected_ms += part.expected_ms
        window_ms = max(window_ms, part.window_ms)
        if _is_known(part):
            known.append((source, part))
            covered_ms += min(part.covered_ms, part.expected_ms)
            measured_ms += min(part.measured_ms, part.expected_ms)
            substituted_ms += part.substituted_ms
            estimated_ms += min(part.estimated_ms, part.expected_ms)
            co2_ug += part.co2_ug
            co2e_ug += part.co2e_ug
            market_ug += part.market_ug
    # of a source without totals yet the whole window should be known
    expected_ms += (window_ms or 1) * unstated
    low, high = band_kg(
        (
            SourceMass(
                account=accounts.get(source.slug),
                co2_ug=part.co2_ug,
                begins=state.as_of - timedelta(milliseconds=part.window_ms),
                ends=state.as_of,
            )
            for source, part in known
        ),
        ZoneInfo(state.timezone),
    )
    return {
        "co2_kg": kg(co2_ug) if known else None,
        "co2e_kg": kg(co2e_ug) if known else None,
        "co2_market_kg": kg(market_ug) if known else None,
        "co2_low_kg": low,
        "co2_high_kg": high,
        "coverage": round(covered_ms / expected_ms, 6) if expected_ms else 0.0,
        "shares": shares(
            expected_ms,
            measured_ms=measured_ms,
            substituted_ms=substituted_ms,
            estimated_ms=estimated_ms,
        ),
    }


def _checks(state: FacilityLive, accounts: Accounts) -> list[dict[str, Any]]:
    """How far each source is from the one that checks it, by window."""
    by_slug = {source.slug: source for source in state.sources}
    found = []
    for source in state.sources:
        account = accounts.get(source.slug)
        check = None if account is None else by_slug.get(account.check or "")
        if check is None:
            continue
        spans = {}
        for span in SPANS:
            apart = difference(_source_total(source, span), _source_total(check, span))
            spans[span] = {"difference_kg": apart.kg, "difference_percent": apart.percent}
        found.append({"source": source.slug, "check": check.slug, "totals": spans})
    return found


def _source_total(source: SourceLive, span: str) -> SourceTotal:
    part = source.totals.get(span)
    known = part is not None and _is_known(part)
    return SourceTotal(
        source=source.slug,
        scope=source.scope,
        co2_kg=kg(part.co2_ug) if part is not None and known else None,
    )


def _is_known(total: SpanTotal) -> bool:
    return max(total.covered_ms, total.measured_ms, total.substituted_ms) > 0 or total.co2_ug != 0


def _newest(minutes: Iterable[datetime]) -> datetime | None:
    return max(minutes, default=None)
