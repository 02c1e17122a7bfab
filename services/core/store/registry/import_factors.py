"""Write factors for every facility into the registry: a version ends what it overlaps.

What it overlaps stays known, with its time; the days of it that the new version does not cover go
on under a copy. So the latest figure of a grid, which holds until a newer one, need not be ended by
hand. Sources that use the factor are computed again, as when a facility file changes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from services.core.facility.checks import factor_record
from services.core.facility.factor_file import FactorRow
from services.core.store.audit.record import record as record_deed
from services.core.store.database import database_time
from services.core.store.factor_series import names
from services.core.store.registry import apply as registry
from services.core.store.registry.apply_factors import FactorChange, change_of
from services.core.store.registry.builtin_release import load_builtin_factors
from services.core.store.registry.factors import FIGURES, NOTES, figures, stored_figures, to_row
from services.core.store.registry.shared_factors import (
    all_versions,
    in_force,
    recompute_users,
    share_days,
)
from services.core.store.schema import tables as t


def import_factors(
    connection: Connection, rows: Sequence[FactorRow], *, by: str | None = None
) -> list[str]:
    """Write ``rows``; return a line for each change, none if all of it was there already.

    :raises ApplyError: a source that uses one of them could not be computed any more.

    Runs in the caller's transaction. A row whose figures the registry knows, in force or
    superseded, changes nothing. ``known_at`` of a row that ends one in force is now: until now the
    other was what was known here.
    """
    registry.lock(connection)
    changes = load_builtin_factors(
        connection, {name for row in rows for name in (row.id, *(row.fallback or ()))}
    )
    altered: dict[str, FactorChange] = {}
    for slug in dict.fromkeys(row.id for row in rows):
        before = in_force(connection, slug)
        known = {stored_figures(r) for r in all_versions(connection, slug)}
        came: list[int] = []
        latest = datetime.max.replace(tzinfo=UTC)
        of_slug = [row for row in rows if row.id == slug]
        for row in sorted(of_slug, key=lambda record: record.known_at or latest):
            record = factor_record(row)
            if figures(record) not in known:
                _lay(connection, row, to_row(record), came, changes)
        after = in_force(connection, slug)
        if came:
            old, new = {r.id for r in before}, {r.id for r in after}
            altered[slug] = change_of(
                slug,
                gone=[r for r in before if r.id not in new],
                came=[r for r in after if r.id not in old],
                before=before,
                after=after,
            )
    if altered:
        recompute_users(connection, altered, whose="this file's", by=by)
    if changes:
        record_deed(connection, "factor.import", by=by, after={"changes": changes})
        registry.raise_revision(connection)
    return changes


def _lay(
    connection: Connection,
    row: FactorRow,
    values: dict[str, Any],
    came: list[int],
    changes: list[str],
) -> None:
    """Insert a version; end those in force that it overlaps, but for the days it does not cover."""
    over = [r for r in in_force(connection, row.id) if share_days(r, row)]
    known_from = row.known_at if all(r.id in came for r in over) else None
    since = database_time.NOW if known_from is None else known_from
    for old in over:
        connection.execute(update(t.factor).where(t.factor.c.id == old.id).values(known_to=since))
        changes.append(f"- factor {old.slug} from {old.valid_from or 'always'}, superseded")
        for first, end in _left(old, row):
            rest = {name: getattr(old, name) for name in (*FIGURES, *NOTES)}
            rest |= {"valid_from": first, "valid_to": end}
            came.append(_insert(connection, row.id, rest, since))
            changes.append(f"+ factor {old.slug} from {first or 'always'} to {end or 'open'}, kept")
    came.append(_insert(connection, row.id, values, since))
    changes.append(f"+ factor {row.id} from {row.valid_from or 'always'}")


def _left(old: Row[Any], new: FactorRow) -> list[tuple[date | None, date | None]]:
    """Return the days of an old version before and after a new one."""
    left: list[tuple[date | None, date | None]] = []
    if new.valid_from is not None and (old.valid_from is None or old.valid_from < new.valid_from):
        left.append((old.valid_from, new.valid_from))
    if new.valid_to is not None and (old.valid_to is None or old.valid_to > new.valid_to):
        left.append((new.valid_to, old.valid_to))
    return left


def _insert(connection: Connection, slug: str, values: dict[str, Any], since: Any) -> int:
    series_id = None
    if values["fallback"] is not None:
        series_id = names.keep(connection, None, slug, values["unit"])
    made = connection.scalar(
        insert(t.factor)
        .values(slug=slug, known_from=since, imported=True, series_id=series_id, **values)
        .returning(t.factor.c.id)
    )
    return int(made or 0)
