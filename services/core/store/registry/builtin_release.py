"""Bring the factors that come with a release into the registry.

Only those that somebody uses or used are there: the rest stays in the release's tables. As with an
import, what a version replaces stays known with its time, and the sources that use it are computed
again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from services.core.accounting.builtin_factors import versions_of
from services.core.accounting.factors import Factor
from services.core.store.database import database_time, schema_version
from services.core.store.database.connect import driver_connection
from services.core.store.registry.apply_factors import FactorChange, annotate, change_of
from services.core.store.registry.factors import figures, stored_figures, to_row
from services.core.store.registry.shared_factors import (
    in_force,
    recompute_users,
    share_days,
)
from services.core.store.schema import tables as t

#: Built-in factors that do not say since when they could be known.
_ALWAYS_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)


def load_builtin_factors(connection: Connection, names: Iterable[str] = ()) -> list[str]:
    """Write what this release brings of ``names`` and of the factors that are there already.

    Returns a line for each version that it replaces or adds. Nothing is said of a factor that is
    new. An imported version goes before a built-in one of the same days, and one that it has ended
    stays ended. A factor that no release brings any more stays as it is: sources may use it. So do
    all that are there once a newer release has migrated the database: what it brought stays.

    :raises ApplyError: a source could not be computed any more.
    """
    stored: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(select(t.factor).where(t.factor.c.facility_id.is_(None))):
        stored.setdefault(row.slug, []).append(row)
    changes: list[str] = []
    altered: dict[str, FactorChange] = {}
    is_ahead = schema_version.is_ahead(schema_version.stored(driver_connection(connection)))
    for slug in dict.fromkeys((*stored, *names)):
        if is_ahead and slug in stored:
            continue
        rows = stored.get(slug, [])
        shipped = versions_of(slug)
        if not shipped:
            continue
        before = [row for row in rows if row.known_to is None]
        current = {figures(factor): factor for factor in shipped if factor.known_to is None}
        for row in before:
            if stored_figures(row) in current:
                annotate(connection, row, current[stored_figures(row)])
        ended = _end_replaced(connection, before, current)
        came = _insert(connection, rows, ended, shipped)
        if before and (ended or came):
            after = in_force(connection, slug)
            new = [row for row in after if row.id in came]
            altered[slug] = change_of(slug, gone=ended, came=new, before=before, after=after)
            changes += [f"- factor {slug} from {r.valid_from or 'always'}, replaced" for r in ended]
            changes += [f"+ factor {slug} from {r.valid_from or 'always'}" for r in new]
    if altered:
        release = f"tonne {version('tonne')}"
        recompute_users(connection, altered, whose="this release's", by=release)
    return changes


def _end_replaced(
    connection: Connection, before: Sequence[Row[Any]], current: Container[Any]
) -> list[Row[Any]]:
    """End those in force that an earlier release brought and whose figures are not current."""
    ended = [row for row in before if not row.imported and stored_figures(row) not in current]
    for row in ended:
        connection.execute(
            update(t.factor).where(t.factor.c.id == row.id).values(known_to=database_time.NOW)
        )
    return ended


def _insert(
    connection: Connection,
    rows: Sequence[Row[Any]],
    ended: Sequence[Row[Any]],
    shipped: Sequence[Factor],
) -> set[int]:
    """Insert the versions that are not there; return the ids of those that come into force."""
    known = {stored_figures(row) for row in rows}
    imported = [row for row in rows if row.imported and row.known_to is None]
    came: set[int] = set()
    for factor in shipped:
        holds = factor.known_to is None
        if figures(factor) in known:
            continue
        if holds and any(share_days(row, factor) for row in imported):
            continue
        # until now what it replaces was what was known here
        since = database_time.NOW if holds and ended else factor.known_from or _ALWAYS_KNOWN
        row_id = connection.scalar(
            insert(t.factor)
            .values(slug=factor.id, known_from=since, known_to=factor.known_to, **to_row(factor))
            .returning(t.factor.c.id)
        )
        if holds:
            came.add(int(row_id or 0))
    return came
