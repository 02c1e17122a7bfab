"""Hold the ledger against a second computation from its readings, and against itself.

Each hour is computed with the configuration and the factor versions that were known when it came
into force. One that waits to be computed again is held against what it was made of, and one whose
readings are gone against its minutes alone. Whatever cannot be computed, is missing or does not add
up is a difference: what was not checked is never said to be right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import psycopg

from services.aggregator.audit import (
    calibration_tests,
    dates,
    known_hours,
    pollutants,
    retired_hours,
    waits,
)
from services.aggregator.audit.compare import compare
from services.aggregator.audit.findings import Findings, Kind, Step, hour_start
from services.aggregator.audit.hold import rolled_back
from services.aggregator.audit.recomputed import ComputedHour
from services.aggregator.audit.then import Then
from services.aggregator.audit.waits import LONGEST_WAIT, Wait
from services.core.store.computation import computable_ranges
from services.core.store.emissions import (
    facility_progress,
    final_hours,
    ledger_checks,
    ledger_dates,
    stored_minutes,
    sum_checks,
    window_checks,
)
from services.core.store.emissions.final_hours import StoredHour, StoredSource
from services.core.store.emissions.stored_minutes import StoredMinutes
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.plan_as_known import changes
from services.core.timeline.instants import to_minute

#: An hour that changed so shortly before the last tick may have had to stay open.
_SETTLE_S: Final = 300.0


def step(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
    now: datetime,
) -> Step:
    """Check the hours of a source from ``first`` to ``last``, both included."""
    findings = Findings(source=source)
    with rolled_back(connection, source.facility_id):
        progress = facility_progress.read_ticks(connection, source.facility_id)
        stored = {h.hour: h for h in final_hours.stored(connection, source.source_id, first, last)}
        minutes = stored_minutes.read(connection, source.source_id, first, last)
        cuts = changes(connection, source.facility_id, source.source_id)
        computed = known_hours.compute(
            connection,
            plan,
            findings,
            stored,
            minutes,
            range(first, last + 1),
            cuts=cuts,
            now=now,
            # rules are judged by the time of the last tick: what a later one closes is not due yet
            judged_at=now if progress.carried_to is None else min(now, progress.carried_to),
        )
        # last, for readings may have arrived meanwhile
        present = _as_known_now(connection, plan, source, now)
        then = Then(connection, source.source_id)
        channels = [] if present is None else list(present.channels)
        dropped = _dropped(connection, channels, first, last)
        waiting: Mapping[int, Wait] = {}
        if present is not None:
            waiting = waits.read(
                connection,
                present,
                source.source_id,
                (first, last),
                now,
                with_readings=source.retired_hour is None or plan.retirement is not None,
            )
        retired = retired_hours.check(
            connection,
            findings,
            then,
            {hour: entry for hour, entry in stored.items() if hour not in dropped},
            minutes,
            {} if present is None else computed,
            channels=channels,
            hours=(first, last),
            now=now,
        )
        left_alone = dropped | retired.every
        checked, explained = _hold_against_readings(
            findings,
            then,
            stored,
            minutes,
            {
                hour: of_hour
                for hour, of_hour in computed.items()
                if hour not in left_alone and (hour not in stored or _is_closed(stored[hour]))
            },
            waiting,
            now=now,
            changed_at=ledger_dates.last_before(cuts, now),
        )
        settled = {hour for hour in checked if hour in stored and hour not in waiting}
        for hour, detail in dates.wrong(
            connection,
            then,
            source.source_id,
            stored,
            minutes,
            settled,
            channels=channels,
            cuts=cuts,
            lateness_s=_lateness_s(plan, source),
        ):
            findings.add(Kind.DATES, hour, detail=detail)
        _check_beside(connection, plan, findings, channels, (first, last), {*left_alone, *waiting})
        _check_alone(connection, findings, stored, minutes, first, last)
    checked |= retired.checked
    unknown = (dropped | retired.unknown) - checked
    for hour, entry in stored.items():
        if hour in unknown or (hour in waiting and not waiting[hour].too_long):
            continue
        if _is_overdue(plan, source, entry, progress, now):
            findings.add(Kind.OPEN, hour, stored_ug=entry.figures["co2_ug"])
    finals = {hour for hour, entry in stored.items() if entry.final}
    named = {difference.hour for difference in findings.differences}
    for hour in sorted(finals - unknown - explained - checked):
        # whatever is final was closed by a tick
        if hour_start(hour) not in named:
            findings.add(
                Kind.NOT_COMPUTABLE,
                hour,
                stored_ug=stored[hour].figures["co2_ug"],
                detail="it is final, but the last tick was before its end",
            )
    return Step(
        checked=len(checked & finals),
        waiting=len(finals & explained),
        unknown=len(finals & unknown),
        differences=tuple(findings.differences),
    )


def parts(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
) -> Iterator[tuple[int, int, bool]]:
    """Part hours by whether readings that they are computed with are in the archive alone."""
    hours = range(first, last + 1)
    away = computable_ranges.archived_hours(connection, plan, source.source_id, hours)
    for is_away, part in groupby(hours, key=away.__contains__):
        of_part = list(part)
        yield of_part[0], of_part[-1], is_away


def step_without_readings(
    connection: psycopg.Connection[Any], source: StoredSource, first: int, last: int
) -> Step:
    """Check of the hours from ``first`` to ``last`` what needs no readings."""
    findings = Findings(source=source)
    with rolled_back(connection, source.facility_id):
        stored = {h.hour: h for h in final_hours.stored(connection, source.source_id, first, last)}
        minutes = stored_minutes.read(connection, source.source_id, first, last)
        _check_alone(connection, findings, stored, minutes, first, last)
    return Step(
        unknown=sum(hour.final for hour in stored.values()),
        differences=tuple(findings.differences),
    )


def windows(connection: psycopg.Connection[Any], source: StoredSource) -> Step:
    """Check the rolling and to-date totals of a source against its minutes."""
    findings = Findings(source=source)
    with rolled_back(connection, source.facility_id):
        entries = window_checks.windows_against_minutes(connection, source.source_id)
    for entry in entries:
        if not entry.is_stored:
            findings.add(Kind.WINDOW, window=entry.window, detail="there is no such total")
        elif entry.unequal is not None:
            findings.add(
                Kind.WINDOW,
                window=entry.window,
                stored_ug=entry.unequal.stored_ug,
                recomputed_ug=entry.unequal.sum_ug,
                figures=entry.unequal.figures,
            )
    return Step(
        windows=sum(entry.is_stored for entry in entries),
        differences=tuple(findings.differences),
    )


def sums(
    connection: psycopg.Connection[Any],
    source: StoredSource,
    first: datetime | None,
    end: datetime | None,
) -> Step:
    """Check the stored sums of a source's days and months in ``first .. end`` against its hours."""
    findings = Findings(source=source)
    with rolled_back(connection, source.facility_id):
        entries = list(sum_checks.sums_against_hours(connection, source.source_id, first, end))
    for entry in entries:
        if entry.figures or entry.detail:
            findings.add(
                Kind.SUM,
                to_minute(entry.begins) // 60,
                stored_ug=entry.stored_ug,
                recomputed_ug=entry.sum_ug,
                figures=entry.figures,
                detail=entry.detail or f"of the {entry.period} that begins then",
            )
    return Step(sums=len(entries), differences=tuple(findings.differences))


def _hold_against_readings(
    findings: Findings,
    then: Then,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    computed: Mapping[int, ComputedHour],
    waiting: Mapping[int, Wait],
    *,
    now: datetime,
    changed_at: datetime | None,
) -> tuple[set[int], set[int]]:
    """Compare each hour; return those that were checked, and those that work in progress explains.

    ``changed_at``: when the configuration changed last.
    """
    checked: set[int] = set()
    differing: dict[int, Findings] = {}
    for hour in sorted(computed):
        trial = Findings(source=findings.source)
        compare(trial, hour, stored.get(hour), computed[hour])
        if trial.differences and hour in waiting:
            differing[hour] = trial
        else:
            checked.add(hour)
            findings.differences += trial.differences
    missing = {hour for hour in differing if hour not in stored}
    reasons = waits.unexplained(then, stored, minutes, waiting, differing.keys() - missing)
    for hour, detail in reasons.items():
        findings.add(
            Kind.WAITING,
            hour,
            stored_ug=stored[hour].figures["co2_ug"],
            recomputed_ug=computed[hour].figures["co2_ug"],
            figures=next((d.figures for d in differing[hour].differences), ()),
            detail=detail,
        )
    late = {hour for hour in missing if waiting[hour].too_long}
    if changed_at is None or changed_at < now - LONGEST_WAIT:
        known = then.sums(missing - late, now - LONGEST_WAIT)
        late |= {hour for hour, sums in known.items() if sums is not None and sums["covered_ms"]}
    for hour in late:
        findings.differences += differing[hour].differences
    return checked, differing.keys() - reasons.keys() - missing


def _check_beside(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    findings: Findings,
    channels: Collection[int],
    hours: tuple[int, int],
    left_alone: Collection[int],
) -> None:
    """Check what stands beside hours and comes from readings: calibration tests, pollutants."""
    source_id = findings.source.source_id
    for hour, detail in calibration_tests.wrong(connection, plan, channels, hours):
        if hour not in left_alone:
            findings.add(Kind.CALIBRATION, hour, detail=detail)
    for hour, detail in pollutants.wrong(connection, plan, source_id, hours, left_alone):
        findings.add(Kind.POLLUTANT, hour, detail=detail)


def _check_alone(
    connection: psycopg.Connection[Any],
    findings: Findings,
    stored: Mapping[int, StoredHour],
    minutes: StoredMinutes,
    first: int,
    last: int,
) -> None:
    """Check what needs no readings: sums, qualities, versions and their dates."""
    source_id = findings.source.source_id
    unequal = ledger_checks.hours_against_minutes(stored, minutes)
    for hour, entry in unequal.items():
        missing = entry.stored_ug is None
        findings.add(
            Kind.MISSING if missing else Kind.MINUTES,
            hour,
            stored_ug=entry.stored_ug,
            recomputed_ug=entry.sum_ug,
            figures=entry.figures,
            detail="there are minutes of it" if missing else "",
        )
    wrong = ledger_checks.wrong_qualities(connection, source_id, first, last)
    for hour, quality in wrong.items():
        findings.add(Kind.JUDGEMENT, hour, figures=("quality",), detail=f"stored: {quality}")
    substituted = ledger_checks.wrong_substituted_times(stored, minutes)
    for hour, stored_ms in substituted.items():
        detail = f"{stored_ms / 60_000:g} minutes of it are said to be substituted"
        findings.add(Kind.MINUTES, hour, figures=("substituted_ms",), detail=detail)
    for hour, detail in ledger_checks.broken_chains(connection, source_id, first, last):
        findings.add(Kind.VERSIONS, hour, detail=detail)
    for hour, instant in ledger_dates.in_the_future(connection, source_id, first, last):
        detail = f"it is dated {instant:%Y-%m-%dT%H:%MZ}, which is still to come"
        findings.add(Kind.DATES, hour, detail=detail)


def _is_closed(hour: StoredHour) -> bool:
    return hour.final or hour.code is not None


def _lateness_s(plan: FacilityPlan, source: StoredSource) -> float:
    of_plan = plan.sources.get(source.source_id)
    return of_plan.lateness_s if of_plan else plan.retired.get(source.source_id, 0.0)


def _is_overdue(
    plan: FacilityPlan,
    source: StoredSource,
    hour: StoredHour,
    progress: facility_progress.Ticks,
    now: datetime,
) -> bool:
    """Return whether ticks since its time came should have closed an hour that is open."""
    if _is_closed(hour) or progress.carried_to is None:
        return False
    if progress.hours_wait and now - progress.changed_at < LONGEST_WAIT:
        return False
    due_s = (hour.hour + 1) * 3600 + _lateness_s(plan, source)
    if due_s > progress.carried_to.timestamp():
        return False
    was_closed = hour.version > 1 or hour.reason != "open"
    return was_closed or (progress.changed_at - hour.known_at).total_seconds() > _SETTLE_S


def _as_known_now(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source: StoredSource, now: datetime
) -> FacilityPlan | None:
    """Return the source as it is computed now; None: it cannot be, as its hours say already."""
    try:
        return known_hours.plan_as_known(connection, plan, source, now)
    except (LookupError, ValueError):
        return None


def _dropped(
    connection: psycopg.Connection[Any], channels: list[int], first: int, last: int
) -> set[int]:
    """Return the hours whose readings retention dropped."""
    horizon = final_hours.horizon(connection, channels)
    return set() if horizon is None else set(range(first, min(last, horizon) + 1))
