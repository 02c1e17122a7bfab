"""Minutes that follow a new factor: their hours and windows have its masses, they not yet.

The spans of one source never overlap. Readers see such minutes with the new masses
(``minute_in_force``); whoever changes minutes lets them follow first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg

from services.core.store.schema.figures import MASSES, per_figure
from services.core.store.schema.minute_mass import minute_mass

_PER_UNIT: LiteralString = per_figure(MASSES, "{f.in_kg}")

_SPANS: LiteralString = f"""
SELECT id, source_id, minute_of(begins), minute_of(ends),
       {_PER_UNIT}
FROM following_minutes
WHERE facility_id = %s AND (%s::int4[] IS NULL OR source_id = ANY(%s))
ORDER BY ends DESC, id
"""  # noqa: S608 - constants

_INSERT: LiteralString = f"""
INSERT INTO following_minutes (facility_id, source_id, begins, ends, {_PER_UNIT})
SELECT %s, source_id, minute_start(first), minute_start(stop), {_PER_UNIT}
FROM unnest(%s::int4[], %s::int8[], %s::int8[], {per_figure(MASSES, "%s::float8[]")})
    AS x(source_id, first, stop, {_PER_UNIT})
"""  # noqa: S608 - constants


# With the outer bounds as constants only the chunks concerned are opened.
_FOLLOW: LiteralString = f"""
UPDATE emission_minute m
SET {per_figure(MASSES, "{f} = " + minute_mass("f.{f.in_kg}"))}
FROM unnest(%(sources)s::int4[], %(firsts)s::int8[], %(stops)s::int8[],
            {per_figure(MASSES, "%({f.in_kg})s::float8[]")})
    AS f(source_id, first, stop, {_PER_UNIT})
WHERE m.source_id = f.source_id
  AND m.minute >= minute_start(f.first) AND m.minute < minute_start(f.stop)
  AND m.minute >= minute_start(%(least)s) AND m.minute < minute_start(%(most)s)
  AND m.activity IS NOT NULL
""".replace("% 60)", "%% 60)")  # noqa: S608 - the expressions above


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Minutes of a source (``stop`` exclusive, since the epoch), kg per unit of its activity."""

    source_id: int
    first: int
    stop: int
    #: of each mass
    per_unit_kg: tuple[float, ...]


def add(connection: psycopg.Connection[Any], facility_id: int, spans: Sequence[Span]) -> None:
    """Have the minutes follow; what they were to follow before is forgotten.

    A span that goes on where another one of equal factors ends becomes one with it.
    """
    _take(connection, facility_id, _ranges(spans))
    ending = {
        replace(span, first=span.stop, stop=span.stop): (row_id, span.first)
        for row_id, span in _stored(connection, facility_id, [span.source_id for span in spans])
    }
    joined: list[int] = []
    longer = []
    for span in spans:
        row_id, first = ending.get(replace(span, stop=span.first), (None, span.first))
        longer.append(replace(span, first=first))
        joined += [] if row_id is None else [row_id]
    _delete(connection, joined)
    _insert(connection, facility_id, longer)


def settle(
    connection: psycopg.Connection[Any],
    facility_id: int,
    ranges: Mapping[int, Iterable[tuple[int, int]]],
) -> None:
    """Let the minutes of the ranges (both ends included, by source) follow now."""
    wanted = {
        source_id: [(first, last + 1) for first, last in of_source]
        for source_id, of_source in ranges.items()
    }
    _follow(connection, facility_id, wanted)


def step(
    connection: psycopg.Connection[Any],
    facility_id: int,
    most_minutes: int,
    but: Collection[int] = (),
) -> bool:
    """Let the newest minutes follow that wait, about ``most_minutes``; return whether any did.

    ``but``: sources that are left alone.

    Those of all sources together: rows of one time mostly lie together.
    """
    stored = _stored(connection, facility_id, None)
    spans = [span for _, span in stored if span.source_id not in but]
    if not spans:
        return False
    length = max(1, most_minutes // len({span.source_id for span in spans}))
    first = spans[0].stop - length
    newest = [replace(span, first=max(span.first, first)) for span in spans if span.stop > first]
    _follow(connection, facility_id, _ranges(newest))
    return True


def _follow(
    connection: psycopg.Connection[Any],
    facility_id: int,
    ranges: Mapping[int, list[tuple[int, int]]],
) -> None:
    parts = [
        replace(span, first=max(first, span.first), stop=min(stop, span.stop))
        for _, span in _stored(connection, facility_id, list(ranges))
        for first, stop in ranges[span.source_id]
        if first < span.stop and stop > span.first
    ]
    if not parts:
        return
    connection.execute(
        _FOLLOW,
        {
            "sources": [part.source_id for part in parts],
            "firsts": [part.first for part in parts],
            "stops": [part.stop for part in parts],
            **{
                mass.in_kg: [part.per_unit_kg[i] for part in parts] for i, mass in enumerate(MASSES)
            },
            "least": min(part.first for part in parts),
            "most": max(part.stop for part in parts),
        },
    )
    _take(connection, facility_id, ranges)


def _take(
    connection: psycopg.Connection[Any],
    facility_id: int,
    ranges: Mapping[int, list[tuple[int, int]]],
) -> None:
    """Take the ranges out of the spans that are stored."""
    gone: list[int] = []
    rest: list[Span] = []
    for row_id, span in _stored(connection, facility_id, list(ranges)):
        parts = [span]
        for first, stop in ranges[span.source_id]:
            parts = [part for each in parts for part in _without(each, first, stop)]
        if parts != [span]:
            gone.append(row_id)
            rest += parts
    _delete(connection, gone)
    _insert(connection, facility_id, rest)


def _without(span: Span, first: int, stop: int) -> list[Span]:
    if first >= span.stop or stop <= span.first:
        return [span]
    parts = [replace(span, stop=max(first, span.first)), replace(span, first=min(stop, span.stop))]
    return [part for part in parts if part.first < part.stop]


def _stored(
    connection: psycopg.Connection[Any], facility_id: int, source_ids: list[int] | None
) -> list[tuple[int, Span]]:
    rows = connection.execute(_SPANS, (facility_id, source_ids, source_ids)).fetchall()
    return [
        (row[0], Span(source_id=row[1], first=row[2], stop=row[3], per_unit_kg=row[4:]))
        for row in rows
    ]


def _delete(connection: psycopg.Connection[Any], ids: list[int]) -> None:
    if ids:
        connection.execute("DELETE FROM following_minutes WHERE id = ANY(%s)", (ids,))


def _insert(connection: psycopg.Connection[Any], facility_id: int, spans: Sequence[Span]) -> None:
    if spans:
        columns = zip(
            *((span.source_id, span.first, span.stop, *span.per_unit_kg) for span in spans),
            strict=True,
        )
        connection.execute(_INSERT, (facility_id, *map(list, columns)))


def _ranges(spans: Iterable[Span]) -> dict[int, list[tuple[int, int]]]:
    found: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        found.setdefault(span.source_id, []).append((span.first, span.stop))
    return found
