"""An organisation that another cell has from before is brought to the home cell, as it is."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from services.core.store.audit.record import record
from services.core.store.cells.errors import CellError

#: Against whoever applies its file meanwhile, or recalculates its base years.
_LOCK: Final = (
    "LOCK TABLE organisation_revision, organisation_base_figure IN SHARE ROW EXCLUSIVE MODE"
)

_HAS: Final = "SELECT EXISTS (SELECT FROM organisation WHERE slug = %s)"

_REVISIONS: Final = """
SELECT r.known_at, r.spec FROM organisation_revision r JOIN organisation o
  ON o.id = r.organisation_id
WHERE o.slug = %s ORDER BY r.known_at
"""

_FIGURES: Final = """
SELECT f.scope, f.figure, f.year, f.known_at, f.ug, f.facilities, f.cause
FROM organisation_base_figure f JOIN organisation o ON o.id = f.organisation_id WHERE o.slug = %s
"""

_ADD: Final = "INSERT INTO organisation (slug) VALUES (%s) RETURNING id"

_ADD_REVISION: Final = """
INSERT INTO organisation_revision (organisation_id, known_at, spec) VALUES (%s, %s, %s)
"""

_ADD_FIGURE: Final = """
INSERT INTO organisation_base_figure
    (organisation_id, scope, figure, year, known_at, ug, facilities, cause)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""

_DELETE: Final = (
    """
    DELETE FROM organisation_base_figure WHERE organisation_id = (
        SELECT id FROM organisation WHERE slug = %s)
    """,
    """
    DELETE FROM organisation_revision WHERE organisation_id = (
        SELECT id FROM organisation WHERE slug = %s)
    """,
    "DELETE FROM organisation WHERE slug = %s",
)


def has(connection: psycopg.Connection[Any], slug: str) -> bool:
    """Return whether a cell has, or had, an organisation."""
    row = connection.execute(_HAS, (slug,)).fetchone()
    return row is not None and bool(row[0])


def bring_home(
    home: psycopg.Connection[Any], other: psycopg.Connection[Any], slug: str, *, by: str
) -> int:
    """Bring an organisation home; return how many versions its file has.

    It is at home before it goes in the other cell, where nobody changes it meanwhile: killed
    between both, this goes on.

    :raises CellError: the home cell has one of this id by itself.
    """
    with other.transaction():
        other.execute(_LOCK)
        revisions = other.execute(_REVISIONS, (slug,)).fetchall()
        with home.transaction():
            home.execute(_LOCK)
            at_home = home.execute(_REVISIONS, (slug,)).fetchall()
            if any(revision not in at_home for revision in revisions) and at_home:
                raise CellError(
                    f"the home cell has, or had, an organisation {slug} as well: name all"
                    " facilities in the file of that one, apply it, and remove the other cell's"
                    f" with `tonne organisations remove {slug}` there"
                )
            if not at_home:
                _add(home, other, slug, revisions, by=by)
        for statement in _DELETE:
            other.execute(statement, (slug,))
        record(
            other,
            "organisation.remove",
            by=by,
            subject=slug,
            before=revisions[-1][1],
            reason="brought to the home cell",
        )
    return len(revisions)


def _add(
    home: psycopg.Connection[Any],
    other: psycopg.Connection[Any],
    slug: str,
    revisions: list[tuple[Any, ...]],
    *,
    by: str,
) -> None:
    row = home.execute(_ADD, (slug,)).fetchone()
    assert row is not None  # noqa: S101 - it is inserted here
    for known_at, spec in revisions:
        home.execute(_ADD_REVISION, (row[0], known_at, Jsonb(spec)))
    for figure in other.execute(_FIGURES, (slug,)).fetchall():
        home.execute(_ADD_FIGURE, (row[0], *figure))
    record(
        home,
        "organisation.apply",
        by=by,
        subject=slug,
        after=revisions[-1][1],
        reason="brought to the home cell",
    )
