"""What was removed, and which credits were retired, in each year of a path."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from services.api.models.emission_table import Series
from services.api.models.removed import BIOGENIC, FOSSIL, is_from_stack, removed_and_stored
from services.api.models.source_masses import source_masses
from services.core.accounting.pathway.balance import Removed
from services.core.facility.stated_amounts import stated_between
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.emissions.base_years import local_year
from services.core.store.registry.stated_removals import StatedBalance


def stated_by_year(
    stated: StatedBalance | None, scope: int, years: Iterable[int], timezone: str, now: datetime
) -> dict[int, Removed]:
    """Return what the file states of a scope, by year, up to ``now``."""
    if stated is None:
        return {}
    removals = [removal for removal in stated.removals if removal.scope == scope]
    retired = [credit for credit in stated.credits if credit.scope == scope]
    zone = ZoneInfo(timezone)
    by_year = {}
    for year in years:
        begins, ends = local_year(year, timezone)
        by_year[year] = stated_between(removals, retired, zone, begins, max(begins, min(ends, now)))
    return by_year


def with_measured(
    by_year: dict[int, Removed],
    series: Series,
    scope: int,
    daily: tuple[Buckets, EmissionColumns | None],
) -> dict[int, Removed]:
    """Add what the sources of a scope removed."""
    buckets, by_day = daily
    removing = [
        (index, listed.account)
        for index, listed in enumerate(series.sources)
        if listed.removes and listed.source.scope == scope
    ]
    if not removing:
        return by_year
    zone = ZoneInfo(series.timezone)
    years = [bucket.begins.astimezone(zone).year for bucket in buckets]
    fossil, biogenic = (
        source_masses(by_day, mass, sources=len(series.sources), buckets=len(buckets))[0]
        for mass in (FOSSIL, BIOGENIC)
    )
    sums = dict(by_year)
    for index, account in removing:
        removed, _ = removed_and_stored(fossil[index], biogenic[index], is_from_stack(account))
        is_permanent = (
            account is not None and account.removal is not None and (account.removal.permanent)
        )
        for year, kg in zip(years, removed.tolist(), strict=True):
            before = sums.get(year, Removed())
            sums[year] = replace(
                before,
                removed_kg=before.removed_kg + kg,
                permanent_kg=before.permanent_kg + (kg if is_permanent else 0.0),
            )
    return sums
