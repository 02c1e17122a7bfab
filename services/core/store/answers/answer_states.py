"""What answers follow from, in a few figures: the same figures, the same answer.

Each change of the registry raises its revision; each change of a facility's totals, whatever caused
it, its sequence, in the same transaction. Bands of stacks and of derived channels also follow from
their newest readings, before the totals do, where channels state their uncertainty: of a facility
with some, what was invalidated and not yet computed is told too, and the minute, for readings grow
old.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, LiteralString

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.store.database.arrays import binary_row

#: SQL of whether bands of the facility ``f`` follow from its newest readings. A source has no band
#: if none of its channels states its uncertainty; of a stack, what a formula states stands for it.
BY_READINGS: Final[LiteralString] = """EXISTS (
    SELECT FROM source s WHERE s.facility_id = f.id
      AND (s.method = 'stack' OR (s.spec -> 'derived' IS NOT NULL
           AND s.spec #> '{derived,uncertainty}' IS NULL))
      AND (coalesce(s.spec -> 'derived_inputs', '{}') <> '{}' OR EXISTS (
           SELECT FROM source_input i JOIN channel c ON c.id = i.channel_id
           WHERE i.source_id = s.id AND c.spec ->> 'uncertainty' IS NOT NULL)))"""

#: SQL of the state of the facility ``f``, with its progress ``p``.
_FACILITY: Final[LiteralString] = f"""concat_ws(' ', f.id, coalesce(p.sequence, 0),
    CASE WHEN {BY_READINGS} THEN concat_ws(' ',
        coalesce((SELECT t.id FROM touched t WHERE t.facility_id = f.id AND t.live
                  ORDER BY t.id DESC LIMIT 1), 0),
        coalesce((SELECT t.id FROM touched t WHERE t.facility_id = f.id AND NOT t.live
                  ORDER BY t.id DESC LIMIT 1), 0),
        minute_of(now())) END)"""  # noqa: S608 - constants

#: Each change of an alert writes its row anew, by whomever; comments are only ever added.
_LIVE: Final[LiteralString] = f"""
SELECT f.slug, r.revision, {_FACILITY} AS totals, alerts.state AS alerts,
       {BY_READINGS} AS by_readings,
       EXISTS (SELECT FROM alert a WHERE a.facility_id = f.id
                 AND a.changed_at > now() - %(shown_for)s) AS alerts_changed
FROM registry_revision r
JOIN facility f ON f.slug = ANY(%(facilities)s) AND f.retired_at IS NULL
LEFT JOIN facility_progress p ON p.facility_id = f.id
CROSS JOIN LATERAL (
    SELECT coalesce(string_agg(concat_ws(' ', a.id, a.xmin, (
               SELECT max(c.id) FROM alert_comment c WHERE c.alert_id = a.id)), ','
           ORDER BY a.id), '') AS state
    FROM alert a
    WHERE a.facility_id = f.id AND a.resolved_at IS NULL AND a.undone_at IS NULL) alerts
"""  # noqa: S608 - constants

#: Of those of the facilities that there are.
_OF_FACILITY: Final[LiteralString] = f"""
SELECT f.slug, r.revision, {_FACILITY} AS totals
FROM registry_revision r JOIN facility f ON f.slug = ANY(%(facilities)s)
LEFT JOIN facility_progress p ON p.facility_id = f.id
"""  # noqa: S608 - constants
_TOTALS: Final[LiteralString] = f"""
SELECT r.revision, coalesce(string_agg({_FACILITY}, ',' ORDER BY f.id), '') AS totals, '' AS alerts
FROM registry_revision r
LEFT JOIN (facility f LEFT JOIN facility_progress p ON p.facility_id = f.id) ON {{named}}
GROUP BY r.revision
"""  # noqa: S608 - constants
_TOTALS_OF_ALL: Final[LiteralString] = _TOTALS.replace("{named}", "true")
_TOTALS_OF_SOME: Final[LiteralString] = _TOTALS.replace("{named}", "f.slug = ANY(%(facilities)s)")

_REVISION: Final[LiteralString] = "SELECT revision FROM registry_revision"

_DEVICES: Final[LiteralString] = """
SELECT r.revision,
       coalesce(string_agg(concat_ws(' ', d.id, d.xmin), ',' ORDER BY d.id), '') AS totals,
       '' AS alerts
FROM registry_revision r LEFT JOIN device d ON d.facility_id = ANY(%(facilities)s) AND d.active
GROUP BY r.revision
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerState:
    """The state of the registry and of some facilities; texts are to be compared only."""

    revision: int
    totals: str
    alerts: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveState:
    """What the live totals of a facility follow from, and what need not be read for them."""

    answer: AnswerState
    #: else they follow from the registry alone
    bands_follow_readings: bool
    #: some are open, or changed lately
    has_alerts: bool


async def live_states(
    connection: psycopg.AsyncConnection[Any],
    facilities: Collection[str],
    *,
    alerts_shown_for: timedelta,
) -> dict[str, LiveState]:
    """Read what the live totals of facilities follow from, by slug, of those that are in force.

    ``alerts_shown_for``: how long an alert that changed is among them.
    """
    keys = {"facilities": list(facilities), "shown_for": alerts_shown_for}
    cursor = await connection.execute(_LIVE, keys, binary=True)
    return {row[0]: _live_state(*row[1:]) for row in await cursor.fetchall()}


def _live_state(
    revision: int, totals: str, alerts: str, by_readings: bool, alerts_changed: bool
) -> LiveState:
    return LiveState(
        answer=AnswerState(revision=revision, totals=totals, alerts=alerts),
        bands_follow_readings=by_readings,
        has_alerts=alerts_changed or alerts != "",
    )


async def facility_states(
    connection: psycopg.AsyncConnection[Any], facilities: Collection[str]
) -> dict[str, AnswerState]:
    """Read what the emissions of each of the facilities follow from, by slug.

    Of one it is what :func:`totals_state` returns.
    """
    cursor = await connection.execute(_OF_FACILITY, {"facilities": list(facilities)}, binary=True)
    return {
        slug: AnswerState(revision=revision, totals=totals, alerts="")
        for slug, revision, totals in await cursor.fetchall()
    }


async def totals_state(
    connection: AsyncConnection, facilities: Sequence[str] | None
) -> AnswerState:
    """Read what the emissions of facilities follow from, named by their slugs; None: of all."""
    if facilities is None:
        return _state(await binary_row(connection, _TOTALS_OF_ALL, {}))
    keys = {"facilities": list(facilities)}
    return _state(await binary_row(connection, _TOTALS_OF_SOME, keys))


async def registry_revision(connection: AsyncConnection) -> int:
    """Read the revision of the registry, which each of its changes raises."""
    (revision,) = await binary_row(connection, _REVISION, {})
    return int(revision)


async def devices_state(connection: AsyncConnection, facility_ids: Sequence[int]) -> AnswerState:
    """Read what the list of facilities and their devices follows from."""
    return _state(await binary_row(connection, _DEVICES, {"facilities": list(facility_ids)}))


def _state(row: tuple[Any, ...]) -> AnswerState:
    revision, totals, alerts = row
    return AnswerState(revision=revision, totals=totals, alerts=alerts)
