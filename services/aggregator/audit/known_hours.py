"""Compute hours a second time, each with what was known when it came into force."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import psycopg

from services.aggregator.audit import recomputed
from services.aggregator.audit.compare import compare
from services.aggregator.audit.findings import Findings, Kind
from services.aggregator.audit.recomputed import ComputedHour
from services.aggregator.sentence import sentence
from services.core.store.emissions.final_hours import StoredHour, StoredSource
from services.core.store.emissions.stored_minutes import StoredMinutes
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.plan_as_known import source_as_known
from services.core.timeline.instants import MICROSECOND

#: Later configurations, the newest first, that hours are computed with: each as long as once.
_MAX_ERAS: Final = 20


def plan_as_known(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source: StoredSource, as_of: datetime
) -> FacilityPlan:
    """Return the facility's plan with this source alone, as it was configured at ``as_of``.

    :raises LookupError, ValueError: nothing could be computed with what was known then.
    """
    known = source_as_known(
        connection,
        facility_id=source.facility_id,
        timezone=source.timezone,
        source_id=source.source_id,
        slug=source.source,
        as_of=as_of,
    )
    return replace(
        plan,
        sources={source.source_id: known.source},
        channels=known.channels,
        with_series=known.with_series,
        as_of=as_of,
        fed_by=dict.fromkeys(known.channels, (source.source_id,)),
    )


def compute(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    findings: Findings,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    hours: Sequence[int],
    *,
    cuts: Sequence[datetime],
    now: datetime,
    judged_at: datetime,
) -> dict[int, ComputedHour]:
    """Compute hours (since the epoch), each as known when it came into force, or now if missing.

    ``cuts``: when the configuration changed, ascending. What cannot be computed is added to the
    findings.
    """
    source = findings.source
    eras: dict[int, list[int]] = {}
    for hour in hours:
        known_at = stored[hour].known_at if hour in stored else now
        eras.setdefault(bisect_right(cuts, known_at), []).append(hour)
    computed: dict[int, ComputedHour] = {}
    for of_era in eras.values():
        as_of = max(stored[h].known_at if h in stored else now for h in of_era)
        try:
            then = plan_as_known(connection, plan, source, as_of)
            with connection.transaction(force_rollback=True):
                computed |= recomputed.hours(
                    connection, then, source.source_id, of_era, judged_at, minutes
                )
        except psycopg.errors.InsufficientPrivilege:
            # of the login, and of no hour
            raise
        except Exception as error:
            if connection.closed:
                raise
            # of hours that are not there one speaks for all
            for hour in [h for h in of_era if h in stored] or of_era[:1]:
                findings.add(
                    Kind.NOT_COMPUTABLE,
                    hour,
                    stored_ug=stored[hour].figures["co2_ug"] if hour in stored else None,
                    detail=sentence(error),
                )
    _confirm_later(
        connection,
        plan,
        source,
        stored,
        minutes,
        computed,
        cuts=cuts,
        now=now,
        judged_at=judged_at,
    )
    return computed


def _confirm_later(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    computed: dict[int, ComputedHour],
    *,
    cuts: Sequence[datetime],
    now: datetime,
    judged_at: datetime,
) -> None:
    """Take hours for right that are what a later configuration makes of them, in each minute.

    Such a one found nothing to change in them, so that they are known since before it: it was taken
    back before they were computed with it, or moved an amount within the hour.
    """
    differing = {
        hour: bisect_right(cuts, stored[hour].known_at)
        for hour, of_hour in computed.items()
        if hour in stored and _differs(source, hour, stored[hour], of_hour)
    }
    later_eras = range(len(cuts), min(differing.values(), default=len(cuts)), -1)
    for era in later_eras[:_MAX_ERAS]:
        hours = [hour for hour, own_era in differing.items() if own_era < era]
        if not hours:
            continue
        try:
            then = plan_as_known(
                connection, plan, source, now if era == len(cuts) else cuts[era] - MICROSECOND
            )
            with connection.transaction(force_rollback=True):
                later = recomputed.hours(
                    connection, then, source.source_id, hours, judged_at, minutes
                )
        except (LookupError, ValueError):
            continue
        for hour, of_hour in later.items():
            if not _differs(source, hour, stored[hour], of_hour):
                computed[hour] = of_hour
                del differing[hour]


def _differs(source: StoredSource, hour: int, have: StoredHour, computed: ComputedHour) -> bool:
    trial = Findings(source=source)
    compare(trial, hour, have, computed)
    return bool(trial.differences)
