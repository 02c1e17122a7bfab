"""The body of ``/v1/live`` and of the event ``live``: integers of the store to kilograms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.api.live.exported import exported_kwh
from services.api.live.removed import removed_totals
from services.api.models.bands import SourceMass, band_kg, masses_kg, rates_kg_h
from services.api.models.shares import quality, shares
from services.api.models.stale import StaleSource, share_stale, stale_sources
from services.core.accounting.scopes import SourceTotal, difference
from services.core.facility.evidence import EVIDENCE
from services.core.store.answers.live import FacilityLive, SourceLive
from services.core.store.answers.live_totals import (
    Accounts,
    WindowTotal,
    counts,
    shown_sources,
    sum_of_rates,
    total_of_one,
    total_of_several,
)
from services.core.store.answers.live_windows import SpanTotal
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.registry.stated_removals import StatedBalance
from services.core.store.schema.figures import METHODS_MS, kg
from services.core.timeline.windows import TOTALS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What is known of a facility's sources beside their totals."""

    state: FacilityLive
    accounts: Accounts
    #: those that count by a stale factor
    stale: Mapping[str, StaleSource]


_NO_TIME: Final = (0,) * len(METHODS_MS)


def live_body(
    state: FacilityLive,
    accounts: Accounts,
    alerts: Sequence[dict[str, Any]] = (),
    balance: StatedBalance | None = None,
) -> dict[str, Any]:
    """Build the answer; what is unknown is null, never zero. ``alerts``: those that stand.

    A source that is another's check stands among the sources and counts in no sum. What sources
    remove, and what the file states of removals and credits (``balance``), stands beside emissions.
    """
    shown = shown_sources(state.sources)
    counting = [s for s in shown if counts(s, accounts)]
    rates = sum_of_rates(counting)
    newest = [s.newest_minute for s in state.sources if s.newest_minute is not None]
    known_of = _Known(
        state=state,
        accounts=accounts,
        stale=stale_sources(accounts, ZoneInfo(state.timezone), state.as_of),
    )
    scopes = _parts(known_of, counting, lambda source: source.scope)
    # of thousands of sources each sum takes its time: one that stands already is not made again
    totals = next(iter(scopes.values())) if len(scopes) == 1 else _totals(known_of, counting)
    levels = _parts(known_of, counting, partial(_evidence, accounts), whole=totals)
    categories = _parts(
        known_of,
        [source for source in counting if _category(accounts, source) is not None],
        partial(_category, accounts),
    )
    return {
        "as_of": state.as_of,
        "facility": state.slug,
        "rate_kg_h": None if rates is None else kg(rates[0]),
        "rates": rates_kg_h(rates),
        "totals": totals,
        "scopes": [{"scope": scope, "totals": of_scope} for scope, of_scope in scopes.items()],
        "by_evidence": [
            {"evidence": level, "totals": levels[level]} for level in EVIDENCE if level in levels
        ],
        "scope3_categories": [
            {"category": category, "totals": of_category}
            for category, of_category in categories.items()
        ],
        "removals": removed_totals(
            [(s, accounts[s.slug]) for s in shown if _removes(s, accounts)],
            balance,
            ZoneInfo(state.timezone),
            state.as_of,
        ),
        "sources": [_source(known_of, source) for source in shown],
        "checks": _checks(state, accounts),
        "stale_factors": [
            f"{source.slug}: {why}"
            for source in shown
            if (why := _why_stale(known_of, source)) is not None
        ],
        "alerts": list(alerts),
        "sequence": state.sequence,
        "changed_at": state.changed_at,
        "newest_minute": _newest(newest),
    }


def _removes(source: SourceLive, accounts: Accounts) -> bool:
    account = accounts.get(source.slug)
    return account is not None and account.removes and not source.replaced


def _evidence(accounts: Accounts, source: SourceLive) -> str:
    account = accounts.get(source.slug)
    return "metered" if account is None else account.evidence


def _category(accounts: Accounts, source: SourceLive) -> int | None:
    account = accounts.get(source.slug)
    return None if account is None else account.category


def _parts(
    known_of: _Known,
    sources: Sequence[SourceLive],
    key: Callable[[SourceLive], Any],
    whole: dict[str, dict[str, Any]] | None = None,
) -> dict[Any, dict[str, dict[str, Any]]]:
    """Return the totals of the sources by key; ``whole``: those of all of them, if known."""
    members: dict[Any, list[SourceLive]] = {}
    for source in sources:
        members.setdefault(key(source), []).append(source)
    if len(members) == 1 and whole is not None:
        return dict.fromkeys(members, whole)
    return {value: _totals(known_of, members[value]) for value in sorted(members)}


def _why_stale(known_of: _Known, source: SourceLive) -> str | None:
    stale = known_of.stale.get(source.slug)
    return stale.why if stale is not None and source.active else None


def _source(known_of: _Known, source: SourceLive) -> dict[str, Any]:
    return {
        "id": source.slug,
        "name": source.name,
        "scope": source.scope,
        "active": source.active,
        "counts": counts(source, known_of.accounts),
        "rate_kg_h": None if source.rates_ug_h is None else kg(source.rates_ug_h[0]),
        "rates": rates_kg_h(source.rates_ug_h),
        "rate_basis": source.rate.basis,
        "rate_from": source.rate.begins,
        "rate_to": source.rate.ends,
        "newest_reading": source.newest_reading,
        "stale_factor": _why_stale(known_of, source),
        "totals": {window: _answer(known_of, total_of_one(source, window)) for window in TOTALS},
        "newest_minute": source.newest_minute,
        **_standing(known_of.accounts.get(source.slug)),
    }


def _standing(account: SourceAccount | None) -> dict[str, Any]:
    if account is None:
        return {"removal": None, "evidence": "metered", "scope3_category": None}
    return {
        "removal": None if account.removal is None else account.removal.kind,
        "evidence": account.evidence,
        "scope3_category": account.category,
    }


def _totals(known_of: _Known, sources: Sequence[SourceLive]) -> dict[str, dict[str, Any]]:
    return {window: _answer(known_of, total_of_several(sources, window)) for window in TOTALS}


def _answer(known_of: _Known, total: WindowTotal) -> dict[str, Any]:
    """Build the answer of a window."""
    low, high = _band(known_of.state, total.parts, known_of.accounts)
    known = total.known
    by_method = shares(total.expected_ms, _NO_TIME if known is None else known.methods_ms)
    return {
        **masses_kg(None if known is None else known.masses_ug),
        "co2_low_kg": low,
        "co2_high_kg": high,
        **exported_kwh(total.parts),
        "coverage": total.coverage,
        "quality": quality(by_method),
        "shares": by_method,
        "stale_factor_share": _share_stale(known_of, total.parts, total.expected_ms),
        **({} if total.lost is None else {"reason": total.lost}),
    }


def _share_stale(
    known_of: _Known, parts: Sequence[tuple[SourceLive, SpanTotal]], expected_ms: int
) -> float:
    """Return the share of the sources' time that counted by a stale factor."""
    if not known_of.stale or not expected_ms:
        return 0.0
    ends = known_of.state.as_of
    stale_ms = sum(
        part.expected_ms
        * share_stale(stale.since, ends - timedelta(milliseconds=part.window_ms), ends)
        for source, part in parts
        if (stale := known_of.stale.get(source.slug)) is not None
    )
    return round(min(1.0, stale_ms / expected_ms), 6)


def _band(
    state: FacilityLive, known: Sequence[tuple[SourceLive, SpanTotal]], accounts: Accounts
) -> tuple[float | None, float | None]:
    if not known:
        return None, None
    known_accounts = [accounts.get(source.slug) for source, _ in known]
    # most facilities state nothing: no mass is looked at to find that out
    if not all(account is not None and account.meters for account in known_accounts):
        return None, None
    return band_kg(
        (
            SourceMass(
                account=account,
                co2_ug=part.co2_ug,
                begins=state.as_of - timedelta(milliseconds=part.window_ms),
                ends=state.as_of,
            )
            for account, (_, part) in zip(known_accounts, known, strict=True)
        ),
        ZoneInfo(state.timezone),
    )


def _checks(state: FacilityLive, accounts: Accounts) -> list[dict[str, Any]]:
    """How far each source is from the one that checks it, by window."""
    by_slug = {source.slug: source for source in state.sources}
    checks = []
    for source in state.sources:
        account = accounts.get(source.slug)
        check = None if account is None else by_slug.get(account.check or "")
        if check is None:
            continue
        totals = {}
        for window in TOTALS:
            apart = difference(_source_total(source, window), _source_total(check, window))
            totals[window] = {"difference_kg": apart.kg, "difference_percent": apart.percent}
        checks.append({"source": source.slug, "check": check.slug, "totals": totals})
    return checks


def _source_total(source: SourceLive, window: str) -> SourceTotal:
    part = source.totals.get(window)
    known = part is not None and part.is_known
    return SourceTotal(
        source=source.slug,
        scope=source.scope,
        co2_kg=kg(part.co2_ug) if part is not None and known else None,
    )


def _newest(minutes: Iterable[datetime]) -> datetime | None:
    return max(minutes, default=None)
