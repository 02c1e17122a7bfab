"""Hold the ledger against a second computation from its readings, and against itself.

Each hour is computed with the configuration and the factor versions that were known when it came
into force. One that waits to be computed again is not held against its readings, and neither is one
whose readings are gone. Whatever cannot be computed, is missing or does not add up is a difference:
what was not checked is never said to be right.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import psycopg

from services.aggregator import expand
from services.aggregator.audit import recomputed
from services.aggregator.audit.recomputed import ComputedHour
from services.aggregator.invalidations import Invalidations
from services.aggregator.sentence import sentence
from services.core.store.emissions import claims, facility_progress, final_hours, ledger_checks
from services.core.store.emissions.final_hours import StoredHour, StoredSource
from services.core.store.readings.series import StoredReadings
from services.core.store.registry.plan import FacilityPlan
from services.core.store.registry.plan_as_known import changes, source_as_known
from services.core.timeline.intervals import Interval

#: Hours of a source in one step: the facility's aggregator waits for no longer than this takes.
STEP_HOURS = 14 * 24

#: A tick may take seconds after an outage.
_PATIENCE_S = 120.0

#: An hour that changed so shortly before the last tick may have had to stay open.
_SETTLE_S = 300.0


class BusyError(RuntimeError):
    """Another process kept the facility for too long."""


class Kind(StrEnum):
    """What is wrong, as the command names it."""

    #: the hour is not what its readings come to
    READINGS = "readings"
    #: readings, minutes or inputs make an hour that is not there
    MISSING = "missing"
    #: with what was known when it came into force, nothing can be computed
    NOT_COMPUTABLE = "not computable"
    #: the hour is not the sum of its minutes
    MINUTES = "minutes"
    #: it is open, though its time to be closed has passed
    OPEN = "open"
    #: its quality, its code, or what its equation was given is not what its rule makes of it
    JUDGEMENT = "judgement"
    #: its versions are no unbroken chain
    VERSIONS = "versions"
    #: a rolling or to-date total is not the sum of its minutes
    WINDOW = "window"
    #: it could not be looked at
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What does not hold; masses in micrograms, None where that says nothing."""

    kind: Kind
    facility: str
    source: str
    source_name: str
    #: None: it is no single hour's
    hour: datetime | None = None
    window: str | None = None
    stored_ug: int | None = None
    recomputed_ug: int | None = None
    #: what differs: figures by their column, and quality, code, final, inputs
    figures: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one step came to, in hours."""

    checked: int = 0
    #: about to be computed again
    waiting: int = 0
    #: their readings are gone, or are not those that they were made of
    unknown: int = 0
    differences: tuple[Difference, ...] = ()


@dataclass(kw_only=True, slots=True)
class _Findings:
    """Differences of one source, as they are found."""

    source: StoredSource
    differences: list[Difference] = field(default_factory=list)

    def add(self, kind: Kind, hour: int | None = None, **values: Any) -> None:
        self.differences.append(
            Difference(
                kind=kind,
                facility=self.source.facility,
                source=self.source.source,
                source_name=self.source.source_name,
                hour=None if hour is None else _start(hour),
                **values,
            )
        )


@contextmanager
def rolled_back(connection: psycopg.Connection[Any], facility_id: int) -> Iterator[None]:
    """Open a transaction that holds the facility and leaves nothing behind."""
    patience = time.monotonic() + _PATIENCE_S
    while True:
        with connection.transaction(force_rollback=True):
            if claims.lock(connection, facility_id):
                yield
                return
        if time.monotonic() > patience:
            raise BusyError("the facility is being computed; try again when that is done")
        time.sleep(0.05)


def step(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
    now: datetime,
) -> Step:
    """Check the hours of a source from ``first`` to ``last``, both included."""
    findings = _Findings(source=source)
    with rolled_back(connection, source.facility_id):
        progress = facility_progress.read_ticks(connection, source.facility_id)
        stored = {h.hour: h for h in final_hours.stored(connection, source.source_id, first, last)}
        # rules are judged by the time of the last tick: what a later one closes is not due yet
        judged_at = now if progress.carried_to is None else min(now, progress.carried_to)
        computed = _computed(
            connection, plan, findings, stored, range(first, last + 1), now, judged_at
        )
        # last, for readings may have arrived meanwhile
        present = _as_known_now(connection, plan, source, now)
        if present is None:
            waiting, unknown = set[int](), set[int]()
        else:
            waiting = _waiting(connection, present, source, first, last, now)
            unknown = _unknown(connection, present, source, first, last) - waiting
        for hour, reason in _wrong_alone(connection, findings, first, last):
            findings.add(Kind.VERSIONS, hour, detail=reason)
    left_alone = waiting | unknown
    checked = {
        hour
        for hour in computed
        if hour not in left_alone and (hour not in stored or _is_closed(stored[hour]))
    }
    for hour in sorted(checked):
        _compare(findings, hour, stored.get(hour), computed[hour])
    for hour, entry in stored.items():
        if hour not in left_alone and _is_overdue(plan, source, entry, progress):
            findings.add(Kind.OPEN, hour, stored_ug=entry.figures["co2_ug"])
    finals = {hour for hour, entry in stored.items() if entry.final}
    named = {difference.hour for difference in findings.differences}
    for hour in sorted(finals - left_alone - checked):
        # whatever is final was closed by a tick
        if _start(hour) not in named:
            findings.add(
                Kind.NOT_COMPUTABLE,
                hour,
                stored_ug=stored[hour].figures["co2_ug"],
                detail="it is final, but the last tick was before its end",
            )
    return Step(
        checked=len(checked & finals),
        waiting=len(finals & waiting),
        unknown=len(finals & unknown),
        differences=tuple(findings.differences),
    )


def windows(connection: psycopg.Connection[Any], source: StoredSource) -> list[Difference]:
    """Check the rolling and to-date totals of a source against its minutes."""
    findings = _Findings(source=source)
    with rolled_back(connection, source.facility_id):
        for window, unequal in ledger_checks.windows_against_minutes(connection, source.source_id):
            if unequal is None:
                findings.add(Kind.WINDOW, window=window, detail="there is no such total")
            else:
                findings.add(
                    Kind.WINDOW,
                    window=window,
                    stored_ug=unequal.stored_ug,
                    recomputed_ug=unequal.sum_ug,
                    figures=unequal.figures,
                )
    return findings.differences


def not_checked(source: StoredSource, reason: str) -> Difference:
    """Return the difference that a source is which could not be looked at."""
    findings = _Findings(source=source)
    findings.add(Kind.NOT_CHECKED, detail=reason)
    return findings.differences[0]


def steps(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Split the hours ``first .. last`` into steps, both ends included."""
    for begin in range(first, last + 1, STEP_HOURS):
        yield begin, min(last, begin + STEP_HOURS - 1)


def _computed(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    findings: _Findings,
    stored: Mapping[int, StoredHour],
    hours: Sequence[int],
    now: datetime,
    judged_at: datetime,
) -> dict[int, ComputedHour]:
    """Compute hours, each with what was known when it came into force, or now if it is missing."""
    source = findings.source
    cuts = changes(connection, source.facility_id, source.source_id)
    eras: dict[int, list[int]] = {}
    for hour in hours:
        known_at = stored[hour].known_at if hour in stored else now
        eras.setdefault(bisect_right(cuts, known_at), []).append(hour)
    computed: dict[int, ComputedHour] = {}
    for of_era in eras.values():
        as_of = max(stored[h].known_at if h in stored else now for h in of_era)
        try:
            then = _plan_as_known(connection, plan, source, as_of)
            with connection.transaction(force_rollback=True):
                computed |= recomputed.hours(connection, then, source.source_id, of_era, judged_at)
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
    return computed


def _wrong_alone(
    connection: psycopg.Connection[Any], findings: _Findings, first: int, last: int
) -> Iterator[tuple[int, str]]:
    """Check what needs no readings: sums, qualities; yield what is wrong with versions."""
    source_id = findings.source.source_id
    unequal = ledger_checks.hours_against_minutes(connection, source_id, first, last)
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
    substituted = ledger_checks.wrong_substituted_times(connection, source_id, first, last)
    for hour, stored_ms in substituted.items():
        detail = f"{stored_ms / 60_000:g} minutes of it are said to be substituted"
        findings.add(Kind.MINUTES, hour, figures=("substituted_ms",), detail=detail)
    yield from ledger_checks.broken_chains(connection, source_id, first, last)


def _compare(
    findings: _Findings, hour: int, have: StoredHour | None, computed: ComputedHour
) -> None:
    """Hold an hour against what was computed of it."""
    verdict, co2_ug = computed.verdict, computed.figures["co2_ug"]
    if have is None:
        if computed.figures["covered_ms"] > 0 or verdict is not None:
            findings.add(
                Kind.MISSING, hour, recomputed_ug=co2_ug, detail="there are readings of it"
            )
        return
    differing = tuple(
        name for name, figure in computed.figures.items() if have.figures[name] != figure
    )
    if differing:
        findings.add(
            Kind.READINGS,
            hour,
            stored_ug=have.figures["co2_ug"],
            recomputed_ug=co2_ug,
            figures=differing,
        )
    stored_judgement = (have.quality, have.code, have.final)
    computed_judgement = (
        (have.quality, None, have.final)
        if verdict is None
        else (verdict.quality, verdict.code, verdict.final)
    )
    wrong = [
        name
        for name, one, other in zip(
            ("quality", "code", "final"), stored_judgement, computed_judgement, strict=True
        )
        if one != other
    ]
    wrong += [f"input {role}" for role in computed.inputs]
    if wrong:
        findings.add(
            Kind.JUDGEMENT,
            hour,
            figures=tuple(wrong),
            detail=f"stored: {_judgement(stored_judgement)};"
            f" computed: {_judgement(computed_judgement)}",
        )


def _judgement(stored_judgement: tuple[str | None, str | None, bool]) -> str:
    quality, code, final = stored_judgement
    return f"{quality}, {code or 'no code'}, {'final' if final else 'not final'}"


def _is_closed(hour: StoredHour) -> bool:
    return hour.final or hour.code is not None


def _is_overdue(
    plan: FacilityPlan,
    source: StoredSource,
    hour: StoredHour,
    progress: facility_progress.Ticks,
) -> bool:
    """Return whether ticks since its time came should have closed an hour that is open."""
    if _is_closed(hour) or progress.carried_to is None or progress.hours_wait:
        return False
    of_plan = plan.sources.get(source.source_id)
    lateness_s = of_plan.lateness_s if of_plan else plan.retired.get(source.source_id, 0.0)
    if (hour.hour + 1) * 3600 + lateness_s > progress.carried_to.timestamp():
        return False
    was_closed = hour.version > 1 or hour.reason != "open"
    return was_closed or (progress.changed_at - hour.known_at).total_seconds() > _SETTLE_S


def _start(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)


def _as_known_now(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source: StoredSource, now: datetime
) -> FacilityPlan | None:
    """Return the source as it is computed now; None: it cannot be, as its hours say already."""
    try:
        return _plan_as_known(connection, plan, source, now)
    except (LookupError, ValueError):
        return None


def _plan_as_known(
    connection: psycopg.Connection[Any], plan: FacilityPlan, source: StoredSource, as_of: datetime
) -> FacilityPlan:
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
        fed_by=dict.fromkeys(known.channels, (source.source_id,)),
    )


def _waiting(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
    now: datetime,
) -> set[int]:
    intervals = final_hours.queued(connection, source.source_id)
    invalidated = final_hours.invalidated_minutes(
        connection, source.facility_id, list(plan.channels)
    )
    if invalidated and (source.retired_hour is None or plan.retirement is not None):
        minute = int(now.timestamp()) // 60
        affected = expand.affected(
            StoredReadings(connection), plan, Invalidations.whole(invalidated), minute
        )
        intervals += affected.by_id().get(source.source_id, [])
    return _hours(intervals, first, last)


def _unknown(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source: StoredSource,
    first: int,
    last: int,
) -> set[int]:
    channel_ids: Sequence[int] = list(plan.channels)
    unknown: set[int] = set()
    horizon = final_hours.horizon(connection, channel_ids)
    if horizon is not None:
        unknown |= set(range(first, min(last, horizon) + 1))
    if source.retired_hour is not None:
        unknown |= set(range(max(first, source.retired_hour), last + 1))
        for hour in final_hours.after_retirement(
            connection, source.source_id, channel_ids, first, last
        ):
            unknown |= set(range(max(first, hour - 24), min(last, hour + 24) + 1))
    return unknown


def _hours(intervals: Sequence[Interval], first: int, last: int) -> set[int]:
    wanted = Interval(start=first * 60, end=(last + 1) * 60)
    return {hour for interval in intervals for hour in interval.within(wanted).hours}
