"""Factors that every facility can use, and what their hours are: a cell has to have the same.

Totals are computed with them. A facility moves only to where those that it uses say the same; one
that the other cell has nothing of, because nobody used it there, is brought along.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

from services.core.store.cells.errors import CellError
from services.core.store.cells.parts import Numbers
from services.core.store.schema.tables import metadata

_SHARED: Final = {
    "factor_series": sql.SQL("facility_id IS NULL AND {}"),
    "factor": sql.SQL("facility_id IS NULL AND {}"),
    "factor_value": sql.SQL(
        "series_id IN (SELECT id FROM factor_series WHERE facility_id IS NULL AND {})"
    ),
}

#: Of those that a configuration names, whenever that was in force.
_USED: Final = """
WITH RECURSIVE named AS (
    SELECT string_agg(text, ' ') AS texts FROM (
        SELECT spec::text AS text FROM source_revision WHERE source_id = ANY(%(sources)s)
        UNION ALL SELECT document::text FROM facility WHERE id = %(id)s
        UNION ALL SELECT spec::text FROM electricity_revision WHERE facility_id = %(id)s) t
), used AS (
    SELECT x.slug FROM (SELECT DISTINCT slug FROM factor WHERE facility_id IS NULL) x, named
    WHERE position('"' || x.slug || '"' IN named.texts) > 0
    UNION
    SELECT o.slug FROM used JOIN factor x ON x.slug = used.slug AND x.facility_id IS NULL
    JOIN factor o ON o.facility_id IS NULL
     AND o.slug = ANY(regexp_split_to_array(coalesce(x.fallback, ''), '[^a-z0-9-]+'))
)
SELECT slug FROM used ORDER BY slug
"""

#: When a cell came to know them may differ: a release is brought in where it is first used.
_NOT_COMPARED: Final = {"id", "facility_id", "series_id", "known_from", "known_to"}

_VERSIONS: Final = sql.SQL(
    """
SELECT slug, count(*), sum(hashtextextended(ROW({columns})::text, 0))
FROM factor WHERE facility_id IS NULL AND slug = ANY(%s) GROUP BY slug
"""
).format(
    columns=sql.SQL(", ").join(
        sql.Identifier(column.name)
        for column in metadata.tables["factor"].columns
        if column.name not in _NOT_COMPARED
    )
)

#: Their hours, as they are known today and ever were.
_VALUES: Final = """
SELECT s.slug, count(*), sum(hashtextextended(ROW(v.hour, v.known_at, v.co2_kg)::text, 0))
FROM factor_series s JOIN factor_value v ON v.series_id = s.id
WHERE s.facility_id IS NULL AND s.slug = ANY(%s) GROUP BY s.slug
"""


#: Those of some factors of which a cell has anything.
_PRESENT: Final = """
SELECT slug FROM factor WHERE facility_id IS NULL AND slug = ANY(%(slugs)s)
UNION SELECT slug FROM factor_series WHERE facility_id IS NULL AND slug = ANY(%(slugs)s)
"""


def copy_all(old: psycopg.Connection[Any], new: psycopg.Connection[Any]) -> None:
    """Bring all of them into a cell that has none."""
    _copy(old, new, sql.SQL("true"))


def copy_missing(
    old: psycopg.Connection[Any], new: psycopg.Connection[Any], numbers: Numbers
) -> None:
    """Bring those that a facility uses into a cell that has nothing of them.

    Rows have the ids that they have in the old cell: cells number theirs apart.
    """
    used = [slug for (slug,) in old.execute(_USED, numbers)]
    present = {slug for (slug,) in new.execute(_PRESENT, {"slugs": used})}
    if missing := [slug for slug in used if slug not in present]:
        with new.transaction():
            _copy(old, new, sql.SQL("slug = ANY({})").format(missing))


def _copy(
    old: psycopg.Connection[Any], new: psycopg.Connection[Any], chosen: sql.Composable
) -> None:
    for table, condition in _SHARED.items():
        columns = sql.SQL(", ").join(
            sql.Identifier(c.name) for c in metadata.tables[table].columns if c.computed is None
        )
        out = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT BINARY)").format(
            columns, sql.Identifier(table), condition.format(chosen)
        )
        target = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), columns
        )
        with (
            old.cursor() as reading,
            new.cursor() as writing,
            reading.copy(out) as rows,
            writing.copy(target) as place,
        ):
            for row in rows:
                place.write(row)


def refuse_other(
    old: psycopg.Connection[Any], new: psycopg.Connection[Any], numbers: Numbers, name: str
) -> None:
    """See that the factors which a facility uses say the same in both cells.

    :raises CellError: they do not; the text names them.
    """
    used = [slug for (slug,) in old.execute(_USED, numbers)]
    for statement in (_VERSIONS, _VALUES):
        in_old = set(old.execute(statement, (used,)).fetchall())
        in_new = set(new.execute(statement, (used,)).fetchall())
        if different := sorted({str(row[0]) for row in in_old ^ in_new}):
            raise CellError(
                f"cell {name} knows other versions of the factor {', '.join(different[:5])}:"
                " bring both cells to the same release with `tonne migrate`, and what was imported"
                " into both with `tonne factors import`"
            )
