"""The rows of ``GET /v1/emissions``: by source or in groups, in order, and in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from services.api.http.columns import Table
from services.api.http.cursors import Cursor
from services.api.http.pages import Links
from services.api.http.row_order import RowPlace, page_of_rows
from services.api.http.shapes import Shape
from services.api.models.emission_groups import group_columns, groups_of
from services.api.models.emission_table import Series, emission_columns
from services.api.models.emissions import Emission, EmissionGroup
from services.api.routes.emissions_query import EmissionsQuery
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.factor_levels import FactorLevels
from services.core.store.registry.stated_removals import StatedBalance

ROWS = Shape(Emission, arrow=True)
_GROUPS = Shape(EmissionGroup, arrow=True)


class Place(NamedTuple):
    """Where a row is in the list."""

    time: datetime
    facility: str
    #: or what it is grouped by
    source: str


PAGES: Links[Place] = Links("/v1/emissions", Cursor(Place))


class Part(NamedTuple):
    """The rows of a time zone, in any order."""

    table: Table
    time_us: Integers
    #: facility and source, or what it is grouped by, that rows are of
    names: Sequence[tuple[str, str]]
    #: which of them each row is of
    name: Integers


def shape_of(query: EmissionsQuery) -> Shape:
    """Return the shape of the rows that are asked for."""
    return ROWS if query.group_by == "none" else _GROUPS


def part_of(
    series: Series,
    buckets: Buckets,
    rows: EmissionColumns,
    now: datetime,
    query: EmissionsQuery,
    stated: Mapping[str, StatedBalance],
    levels: FactorLevels | None,
) -> Part:
    """Build the rows of a time zone, by source or as the query groups them.

    ``stated``: removals and credits of facilities whose file states some, by id. ``levels``: what
    rows of sources with factors by the hour counted by.
    """
    if query.group_by == "none":
        return Part(
            table=ROWS.table(emission_columns(series, buckets, rows, now, levels)),
            time_us=buckets.begins_us[rows.bucket],
            names=[(listed.facility, listed.source.slug) for listed in series.sources],
            name=rows.source,
        )
    groups, _ = groups_of(series, query.group_by)
    bucket, name = np.divmod(np.arange(len(groups) * len(buckets)), max(1, len(groups)))
    return Part(
        table=_GROUPS.table(
            group_columns(series, buckets, rows, now, query.group_by, stated, levels)
        ),
        time_us=buckets.begins_us[bucket],
        names=[(facility, str(key or "all")) for facility, key in groups],
        name=name,
    )


def page_of(
    parts: Sequence[Part], after: Place | None, query: EmissionsQuery, **resolved: str
) -> tuple[Table, dict[str, str]]:
    """Put rows in order, and cut them to what the query asks for; headers lead to the rest."""
    if not parts:
        return shape_of(query).table_of([]), {}
    names = [name for part in parts for name in part.names]
    firsts = accumulate((len(part.names) for part in parts), initial=0)
    order = page_of_rows(
        np.concatenate([part.time_us for part in parts]),
        np.concatenate([part.name + first for part, first in zip(parts, firsts, strict=False)]),
        names,
        after=None if after is None else RowPlace(after.time, after[1:]),
        limit=query.limit,
    )
    headers = PAGES.of_rows(
        order, query.limit, lambda place: Place(place.time, *place.name), query, **resolved
    )
    return Table.joined([part.table for part in parts]).part(order.rows), headers
