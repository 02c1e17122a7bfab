"""Why an hour of a source has the total it has: read all that led to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from services.core.accounting import factors as accounting_factors
from services.core.accounting.factor_calendar import FactorAge
from services.core.accounting.factor_spans import FactorSpan
from services.core.accounting.factors import Factor, FactorError
from services.core.accounting.methods import ActivityMethod
from services.core.accounting.stack.equations import Equation
from services.core.facility import assemble, model
from services.core.facility.pollutants import OF_POLLUTANT
from services.core.store.answers.explain_closing import HourClosing, hour_closing
from services.core.store.answers.explain_inputs import InputChannel, InputHour, input_hours
from services.core.store.answers.explain_series import SeriesHour, series_hour
from services.core.store.computation import hours_then, minutes_as_known
from services.core.store.computation.hours_then import HourMinutes
from services.core.store.emissions import hour_history, minute_history
from services.core.store.emissions.hour_quality import hour_quality
from services.core.store.registry.channel_as_known import channel_as_known
from services.core.store.registry.factors import fallbacks_of, from_row, in_force
from services.core.store.schema import tables
from services.core.store.schema.column_names import column_names
from services.core.store.schema.figures import MASSES, per_figure
from services.core.timeline.instants import HOUR, MINUTE_US, from_us, to_minute

_SOURCE: TypeAdapter[model.StoredSource] = TypeAdapter(model.StoredSource)


class NothingKnownError(LookupError):
    """There is no such facility or source, or it was not yet configured at that time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HourVersion:
    """One version of the hour."""

    version: int
    #: in the order of ``MASSES``, CO2 first
    masses_ug: Sequence[int]
    activity_n: int | None
    exported_n: int
    covered_ms: int
    final: bool
    quality: str
    #: the method code of the policy that judged the hour
    code: str | None
    reason: str
    known_at: datetime
    #: None: in force
    superseded_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorUsed:
    """The version of a factor that holds in the hour, and what it comes to here."""

    row_id: int
    factor: Factor
    #: kg per unit of the source's activity
    applied: FactorSpan
    activity_unit: str
    #: why a newer figure should count in the hour; None: nothing says so
    stale: str | None = None
    #: None: it has figures of its own
    series: SeriesHour | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Minute:
    """One minute of the hour; masses in micrograms."""

    minute: datetime
    #: in the order of ``MASSES``, CO2 first
    masses_ug: Sequence[int]
    #: the minute's share of what closing the hour added
    closing_ug: int
    #: the same of its biogenic CO2
    closing_biogenic_ug: int
    activity_n: int | None
    exported_n: int
    covered_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HourExplanation:
    """Everything that led to the total of one source's hour."""

    scope: int
    activity_unit: str | None
    #: the source's part of the facility file, as it was in force
    configuration: Mapping[str, Any]
    configured_at: datetime
    equation: Equation | None
    factor: FactorUsed | None
    #: scope 2: the market-based one, where the source names one
    market_factor: FactorUsed | None
    #: None: the source is under no rule
    closing: HourClosing | None
    inputs: tuple[InputHour, ...]
    minutes: tuple[Minute, ...]
    #: oldest first; the last is in force
    versions: tuple[HourVersion, ...]
    #: of the past: why nobody can tell any more what was known of the hour, or of its minutes
    unknown: str | None = None

    @property
    def has_export(self) -> bool:
        """Whether its meter tells what flows out."""
        return self.configuration.get("direction") in {"export", "both"}


# the first configuration speaks for the time before it: readings may be older than the registry
_SOURCE_AS_KNOWN = """
SELECT s.id, s.scope, s.activity_unit, f.id AS facility_id, f.timezone, r.spec, r.known_at
FROM facility f
JOIN source s ON s.facility_id = f.id AND s.slug = %(source)s
JOIN source_revision r ON r.source_id = s.id
WHERE f.slug = %(facility)s
ORDER BY (r.known_at <= %(as_of)s) DESC,
         CASE WHEN r.known_at <= %(as_of)s THEN r.known_at END DESC, r.known_at
LIMIT 1
"""

_VERSION_COLUMNS = (
    f"version, ARRAY[{per_figure(MASSES)}] AS masses_ug, activity_n, exported_n, covered_ms, final,"
    " quality, code, reason, known_at"
)

_VERSIONS = f"""
SELECT {_VERSION_COLUMNS},
       CASE WHEN superseded_at <= %(as_of)s THEN superseded_at END AS superseded_at
FROM emission_hour_history
WHERE source_id = %(id)s AND hour = %(hour)s AND known_at <= %(as_of)s
UNION ALL
SELECT {_VERSION_COLUMNS}, NULL
FROM emission_hour WHERE source_id = %(id)s AND hour = %(hour)s AND known_at <= %(as_of)s
ORDER BY version
"""  # noqa: S608 - the columns are the constant above

_MINUTES = f"""
SELECT minute, ARRAY[{per_figure(MASSES)}] AS masses_ug, closing_ug,
       closing_biogenic_ug, activity_n, exported_n,
       covered_ms
FROM minute_in_force
WHERE source_id = %(id)s AND minute >= %(hour)s AND minute < %(hour)s + interval '1 hour'
ORDER BY minute
"""  # noqa: S608 - constants

_QUALITY: LiteralString = f"SELECT {hour_quality('%(covered_ms)s::int4', '%(estimated_ms)s::int4')}"

_FACTORS: LiteralString = f"""
SELECT {column_names(tables.factor, "factor")} FROM factor
WHERE slug = %(slug)s AND (facility_id = %(facility_id)s OR facility_id IS NULL)
  AND known_from <= %(as_of)s AND (known_to IS NULL OR known_to > %(as_of)s)
"""  # noqa: S608 - names of the schema


def explain_hour(
    connection: psycopg.Connection[Any],
    *,
    facility: str,
    source: str,
    hour: datetime,
    as_of: datetime,
    past: bool = False,
) -> HourExplanation:
    """Read what led to the total of ``hour`` (its start) as it was known at ``as_of``.

    ``past``: readings and minutes are those of then too, else those that are stored now.

    :raises NothingKnownError: there is no such source.
    """
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        # not READ ONLY: packed readings are unpacked into a table of the session
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = cursor.execute(
            _SOURCE_AS_KNOWN, {"facility": facility, "source": source, "as_of": as_of}
        ).fetchone()
        if row is None:
            raise NothingKnownError(f"There is no source {source} in the facility {facility}.")
        configuration = _SOURCE.validate_python(row["spec"])
        channels = _channels(connection, row["facility_id"], configuration, as_of)
        keys = {"id": row["id"], "hour": hour, "as_of": as_of}
        equation, factor, market_factor, closing = None, None, None, None
        if isinstance(configuration, model.StackSource):
            equation = assemble.equation(configuration)
            closing = hour_closing(
                connection,
                row["id"],
                configuration,
                channels,
                hour,
                as_of if past else None,
                now=as_of,
                zone=ZoneInfo(row["timezone"]),
            )
        elif isinstance(configuration, model.ActivitySource):
            of_hour = partial(
                _factor,
                cursor,
                row,
                configuration,
                channels=channels,
                hour=hour,
                as_of=as_of,
                values_as_of=as_of if past else None,
            )
            factor = of_hour(configuration.factor)
            if configuration.market_factor is not None:
                market_factor = of_hour(configuration.market_factor)
        hour_history.open_span(connection, [row["id"]], hour, hour + HOUR)
        versions = [HourVersion(**r) for r in cursor.execute(_VERSIONS, keys).fetchall()]
        if past:
            then, unknown = _hour_then(connection, row["id"], hour, as_of)
            minutes = [] if then is None else _minutes(then)
            if then is not None and then.was_open:
                versions.append(_open_version(connection, then, as_of))
        else:
            minute_history.open_span(connection, [row["id"]], hour, hour + HOUR)
            minutes = [Minute(**r) for r in cursor.execute(_MINUTES, keys).fetchall()]
            unknown = None
        return HourExplanation(
            scope=row["scope"],
            activity_unit=row["activity_unit"],
            configuration=row["spec"],
            configured_at=row["known_at"],
            equation=equation,
            factor=factor,
            market_factor=market_factor,
            closing=closing,
            inputs=input_hours(connection, channels, hour, as_of=as_of if past else None),
            minutes=tuple(minutes),
            versions=tuple(versions),
            unknown=unknown,
        )


def _hour_then(
    connection: psycopg.Connection[Any], source_id: int, hour: datetime, as_of: datetime
) -> tuple[HourMinutes | None, str | None]:
    """Compute the hour's minutes as they were known; and why nobody can tell them any more."""
    number = to_minute(hour) // 60
    known_source = minutes_as_known.sources(connection, [source_id])[source_id]
    hours, unknown = hours_then.hour_minutes(connection, known_source, {number}, as_of)
    return hours.get(number), unknown.get(number)


def _minutes(then: HourMinutes) -> list[Minute]:
    columns = zip(
        then.minutes.tolist(),
        zip(*(then.figures[mass.name].tolist() for mass in MASSES), strict=True),
        *(
            column.tolist()
            for column in (
                then.figures["activity_n"],
                then.figures["exported_n"],
                then.figures["covered_ms"],
                then.added["co2_ug"],
                then.added["co2_biogenic_ug"],
            )
        ),
        strict=True,
    )
    return [
        Minute(
            minute=from_us(minute * MINUTE_US),
            masses_ug=masses_ug,
            closing_ug=added,
            closing_biogenic_ug=added_biogenic,
            activity_n=activity_n if then.has_activity else None,
            exported_n=exported_n,
            covered_ms=covered_ms,
        )
        for minute, masses_ug, activity_n, exported_n, covered_ms, added, added_biogenic in columns
    ]


def _open_version(
    connection: psycopg.Connection[Any], then: HourMinutes, as_of: datetime
) -> HourVersion:
    """Return what an hour that was open had come to: the sum of its minutes."""
    sums = {name: int(column.sum()) for name, column in then.figures.items()}
    quality = connection.execute(_QUALITY, sums).fetchone()
    assert quality is not None  # noqa: S101 - a row without a table
    return HourVersion(
        version=1,
        masses_ug=[sums[mass.name] for mass in MASSES],
        activity_n=sums["activity_n"] if then.has_activity else None,
        exported_n=sums["exported_n"],
        covered_ms=sums["covered_ms"],
        final=False,
        quality=quality[0],
        code=None,
        reason="open",
        known_at=as_of,
        superseded_at=None,
    )


def _channels(
    connection: psycopg.Connection[Any],
    facility_id: int,
    configuration: model.StoredSource,
    as_of: datetime,
) -> list[InputChannel]:
    channels = []
    for role, reference in configuration.channels.items():
        if OF_POLLUTANT in role:
            continue
        known = channel_as_known(connection, facility_id, reference, as_of)
        if known is not None:
            device, channel = reference.split(".")
            channels.append(
                InputChannel(role=role, device=device, channel=channel, id=known[0], spec=known[1])
            )
    return channels


def _factor(
    cursor: psycopg.Cursor[dict[str, Any]],
    source: Mapping[str, Any],
    configuration: model.ActivitySource,
    slug: str,
    *,
    channels: list[InputChannel],
    hour: datetime,
    as_of: datetime,
    values_as_of: datetime | None,
) -> FactorUsed | None:
    rows = cursor.execute(
        _FACTORS,
        {"slug": slug, "facility_id": source["facility_id"], "as_of": as_of},
    ).fetchall()
    preferred = [row for row in rows if row["facility_id"] is not None] or rows
    # that a version would be replaced nobody knew
    versions = [(row["id"], from_row({**row, "known_to": None})) for row in preferred]
    local = hour.astimezone(ZoneInfo(source["timezone"]))
    try:
        factor = accounting_factors.version_in_force(
            [version for _, version in versions], local, as_of
        )
    except FactorError:
        return None
    row_id = next(version_id for version_id, version in versions if version is factor)
    fallbacks: Mapping[str, Sequence[tuple[int, Factor]]] = {}
    if names := fallbacks_of(factor):
        fallbacks = in_force(cursor.connection, source["facility_id"], names, values_as_of)
    method = assemble.method(
        # how much one unit comes to does not depend on the role of the factor
        configuration.model_copy(update={"factor": slug, "market_factor": None}),
        {channel.role: channel.spec for channel in channels},
        [(row_id, factor)],
        source["timezone"],
        fallbacks=lambda name: fallbacks.get(name, ()),
    )
    assert isinstance(method, ActivityMethod)  # noqa: S101 - that is what its source asks for
    series, applied = None, method.factor_spans[0]
    if factor.is_series:
        series, applied = series_hour(cursor.connection, method, hour, values_as_of)
    return FactorUsed(
        row_id=row_id,
        factor=factor,
        applied=applied,
        series=series,
        activity_unit=method.activity_unit,
        stale=_stale(factor, rows, as_of, local),
    )


def _stale(
    factor: Factor, rows: Sequence[Mapping[str, Any]], as_of: datetime, hour: datetime
) -> str | None:
    """Say why the hour, in the facility's time zone, should count by a newer figure."""
    if factor.valid_to is not None:
        return None
    shared = [row["data_year"] or 0 for row in rows if row["facility_id"] is None]
    age = FactorAge(
        data_year=factor.data_year,
        newest_year=max(shared, default=None),
        successor_expected=factor.successor_expected,
        valid_from=factor.valid_from,
    )
    return age.counts_stale(hour.date(), known_on=as_of.astimezone(hour.tzinfo).date())
