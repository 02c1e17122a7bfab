"""Final hours of a stack with what was measured in them, as HJ 212 sends them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from services.core.accounting.hj212 import stack as hj212
from services.core.accounting.hj212.stack import MeasuredInput, MeasuredPollutant, StackHour
from services.core.accounting.stack.equations import EQUATIONS, Equation
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.scales import AS_READ, OVER_SCALE
from services.core.facility import assemble, model
from services.core.store.answers.explain import NothingKnownError
from services.core.store.emissions import hour_history
from services.core.store.readings import history
from services.core.store.readings.chart import QUALITIES
from services.core.store.registry.channel_as_known import channel_as_known
from services.core.store.schema.figures import FROM_BIOMASS
from services.core.timeline.instants import HOUR

_SOURCE: TypeAdapter[model.StoredSource] = TypeAdapter(model.StoredSource)

_NAMED: LiteralString = """
SELECT f.id AS facility_id, s.id, s.spec
FROM source s JOIN facility f ON f.id = s.facility_id
WHERE f.slug = %(facility)s AND s.slug = %(source)s
"""

_HOURS: LiteralString = f"""
SELECT h.hour, h.co2_ug + coalesce(h.{FROM_BIOMASS}, 0) AS co2_ug, h.quality,
       i.role, i.average, i.operating_ms, i.valid, i.code, i.verdict_reason
FROM emission_hour h
JOIN source_hour_input i ON i.source_id = h.source_id AND i.hour = h.hour
WHERE h.source_id = %(source)s AND h.hour >= %(begins)s AND h.hour < %(ends)s
  AND h.code IS NOT NULL
ORDER BY h.hour, i.role
"""  # noqa: S608 - a constant

_POLLUTANTS: LiteralString = """
SELECT date_trunc('hour', m.starts, 'UTC') AS hour, m.pollutant,
       bool_and(m.valid OR m.operating_ms = 0) AS valid, bool_or(m.operating_ms > 0) AS operated,
       avg(m.dry_mg_m3) FILTER (WHERE m.valid) AS dry_mg_m3,
       avg(m.mean_mg_m3) FILTER (WHERE m.valid) AS mean_mg_m3,
       CASE WHEN bool_and(m.mass_ug IS NOT NULL OR m.operating_ms = 0) THEN sum(m.mass_ug) END
           AS mass_ug
FROM pollutant_mean m
WHERE m.source_id = %(source)s AND m.starts >= %(begins)s AND m.starts < %(ends)s AND m.final
GROUP BY 1, 2
"""

_QUALITIES: LiteralString = """
SELECT r.channel_id, x.hour, r.quality, count(*)
FROM unnest(%(channels)s::int4[]) AS c(channel_id)
CROSS JOIN unnest(%(hours)s::timestamptz[]) AS x(hour)
JOIN reading r ON r.channel_id = c.channel_id
    AND r.ts >= x.hour AND r.ts < x.hour + interval '1 hour'
GROUP BY 1, 2, 3
"""

_BY_QUALITY: Final[Mapping[str, str]] = {
    "calibration": hj212.CALIBRATION,
    "maintenance": hj212.MAINTENANCE,
    "bad": hj212.FAULT,
    "above-range": hj212.ABOVE_RANGE,
}
_ABOVE_SCALE: Final = (AS_READ, OVER_SCALE)


class NoStackError(NothingKnownError):
    """There is no such source, or HJ 212 has no hours of it; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Channel:
    id: int
    basis: Basis | None


def stack_hours(
    connection: psycopg.Connection[Any],
    facility: str,
    source: str,
    begins: datetime,
    ends: datetime,
) -> list[StackHour]:
    """Read the final hours that begin from ``begins`` to before ``ends``, ascending.

    The connection is in a snapshot. :raises NoStackError: it is no stack under a rule.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        named = cursor.execute(_NAMED, {"facility": facility, "source": source}).fetchone()
        if named is None:
            raise NoStackError(f"There is no source {source} in the facility {facility}.")
        configuration = _SOURCE.validate_python(named["spec"])
        if not isinstance(configuration, model.StackSource):
            raise NoStackError(f"{source} is no stack: HJ 212 has hours of monitors only.")
        if configuration.validity == "none" and configuration.substitution == "none":
            raise NoStackError(
                f"The hours of {source} are under no rule, so none is valid: state validity, such"
                " as hj75."
            )
        equation = assemble.equation(configuration)
        asked = {"source": named["id"], "begins": begins, "ends": ends}
        hour_history.open_span(connection, [named["id"]], begins, ends)
        rows = cursor.execute(_HOURS, asked).fetchall()
        means = cursor.execute(_POLLUTANTS, asked).fetchall()
    channels = _channels(connection, named["facility_id"], configuration, ends)
    letters = _letters(connection, channels, rows)
    pollutants = _pollutants(configuration, means)
    return [
        _hour(hour, list(of_hour), equation, channels, letters, pollutants.get(hour, ()))
        for hour, of_hour in groupby(rows, key=lambda row: row["hour"])
    ]


def _channels(
    connection: psycopg.Connection[Any],
    facility_id: int,
    configuration: model.StackSource,
    as_of: datetime,
) -> dict[str, _Channel]:
    channels = {}
    for role, reference in configuration.inputs.items():
        known = channel_as_known(connection, facility_id, reference, as_of)
        if known is not None:
            basis = known[1].basis
            channels[role] = _Channel(id=known[0], basis=None if basis is None else Basis(basis))
    return channels


def _letters(
    connection: psycopg.Connection[Any],
    channels: Mapping[str, _Channel],
    rows: Iterable[Mapping[str, Any]],
) -> dict[tuple[int, datetime], str]:
    """Read by what readings said of themselves why hours are not valid, by channel and hour."""
    hours = sorted({row["hour"] for row in rows if not row["valid"] and row["operating_ms"]})
    ids = [channel.id for channel in channels.values()]
    if not hours or not ids:
        return {}
    history.open_span(connection, ids, hours[0], hours[-1] + HOUR)
    counts: dict[tuple[int, datetime], dict[str, int]] = defaultdict(dict)
    for channel_id, hour, quality, count in connection.execute(
        _QUALITIES, {"channels": ids, "hours": hours}
    ):
        letter = _BY_QUALITY.get(QUALITIES[quality])
        if letter is not None:
            counts[channel_id, hour][letter] = count
    return {key: max(by, key=lambda letter: (by[letter], letter)) for key, by in counts.items()}


def _hour(
    hour: datetime,
    rows: Sequence[Mapping[str, Any]],
    equation: Equation,
    channels: Mapping[str, _Channel],
    letters: Mapping[tuple[int, datetime], str],
    pollutants: Sequence[MeasuredPollutant],
) -> StackHour:
    # with a diluent the CO2 that oxygen gives is recorded beside it
    stated = (*EQUATIONS[equation.id.partition("/")[0]].inputs, *equation.inputs)
    units = {item.name: item for item in stated}
    inputs = []
    for row in rows:
        item = units.get(row["role"])
        if item is None:
            continue
        channel = channels.get(row["role"])
        inputs.append(
            MeasuredInput(
                role=row["role"],
                average=row["average"],
                unit=item.unit,
                basis=item.basis or (channel.basis if channel else None),
                letter=_letter(row, None if channel is None else letters.get((channel.id, hour))),
            )
        )
    operating_ms = rows[0]["operating_ms"]
    of_terms = [item.letter for item in inputs if item.role in equation.terms]
    others = [letter for letter in of_terms if letter != hj212.NORMAL]
    letter = hj212.STOPPED if not operating_ms else (others or [hj212.NORMAL])[0]
    return StackHour(
        begins=hour,
        co2_kg=None if rows[0]["quality"] == "missing" else Decimal(rows[0]["co2_ug"]) / 10**9,
        substituted=rows[0]["quality"] == "substituted",
        operating_s=Decimal(operating_ms) / 1000,
        letter=letter,
        inputs=tuple(inputs),
        pollutants=tuple(pollutants),
    )


def _letter(row: Mapping[str, Any], stated: str | None) -> str:
    """Return the letter of an input; ``stated``: what its readings say of themselves."""
    if not row["operating_ms"]:
        return hj212.STOPPED
    if row["valid"]:
        return hj212.ABOVE_RANGE if row["code"] in _ABOVE_SCALE else hj212.NORMAL
    if stated is not None:
        return stated
    return hj212.FAULT if "out of control" in row["verdict_reason"] else hj212.NO_CONTACT


def _pollutants(
    configuration: model.StackSource, rows: Iterable[Mapping[str, Any]]
) -> dict[datetime, list[MeasuredPollutant]]:
    named = {pollutant.id: pollutant for pollutant in configuration.pollutants or ()}
    by_hour: dict[datetime, list[MeasuredPollutant]] = defaultdict(list)
    for row in rows:
        pollutant = named.get(row["pollutant"])
        if pollutant is None:
            continue
        letter = hj212.NORMAL if row["valid"] else hj212.NO_CONTACT
        at_reference = pollutant.reference_oxygen is not None
        by_hour[row["hour"]].append(
            MeasuredPollutant(
                name=pollutant.id,
                substance=pollutant.substance or pollutant.id,
                average=_decimal(row["dry_mg_m3"]),
                at_reference=_decimal(row["mean_mg_m3"]) if at_reference else None,
                mass_kg=None if row["mass_ug"] is None else Decimal(row["mass_ug"]) / 10**9,
                letter=letter if row["operated"] else hj212.STOPPED,
            )
        )
    return by_hour


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))
