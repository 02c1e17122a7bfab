"""Write factors for every facility into the registry: a version ends what it overlaps.

What it overlaps stays known, with its time; the days of it that the new version does not cover go
on under a copy. So the latest figure of a grid, which holds until a newer one, need not be ended by
hand. Sources that use the factor are computed again, as when a facility file changes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, func, insert, select, update

from services.core.accounting.factors import ConfigurationError, Factor
from services.core.store import tables as t
from services.core.store.registry import apply as registry
from services.core.store.registry import build, recompute_queue
from services.core.store.registry import facility_model as model
from services.core.store.registry.apply_factors import (
    FactorChange,
    change_of,
    load_builtin_factors,
    shared_factors,
)
from services.core.store.registry.computable import factor_record
from services.core.store.registry.factor_file import FactorRow
from services.core.store.registry.factors import FIGURES, to_row

_SOURCE: TypeAdapter[model.ActivitySource] = TypeAdapter(model.ActivitySource)


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
    load_builtin_factors(connection)
    changes: list[str] = []
    altered: dict[str, FactorChange] = {}
    for slug in dict.fromkeys(row.id for row in rows):
        before = _in_force(connection, slug)
        known = {tuple(getattr(r, name) for name in FIGURES) for r in _all(connection, slug)}
        came: list[int] = []
        latest = datetime.max.replace(tzinfo=UTC)
        of_slug = [row for row in rows if row.id == slug]
        for row in sorted(of_slug, key=lambda each: each.known_at or latest):
            figures = to_row(factor_record(row))
            if tuple(figures[name] for name in FIGURES) in known:
                continue
            _lay(connection, row, figures, came, changes)
        after = _in_force(connection, slug)
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
        _recompute(connection, altered, by)
        registry.raise_revision(connection)
    return changes


def _lay(
    connection: Connection,
    row: FactorRow,
    figures: dict[str, Any],
    came: list[int],
    changes: list[str],
) -> None:
    """Insert a version; end those in force that it overlaps, but for the days it does not cover."""
    over = [r for r in _in_force(connection, row.id) if _overlap(r, row)]
    known_from = row.known_at if all(r.id in came for r in over) else None
    since = func.now() if known_from is None else known_from
    for old in over:
        connection.execute(update(t.factor).where(t.factor.c.id == old.id).values(known_to=since))
        changes.append(f"- factor {old.slug} from {old.valid_from or 'always'}, superseded")
        for first, end in _left(old, row):
            rest = {name: getattr(old, name) for name in FIGURES}
            rest |= {"valid_from": first, "valid_to": end}
            came.append(_insert(connection, row.id, rest, since))
            changes.append(f"+ factor {old.slug} from {first or 'always'} to {end or 'open'}, kept")
    came.append(_insert(connection, row.id, figures, since))
    changes.append(f"+ factor {row.id} from {row.valid_from or 'always'}")


def _left(old: Row[Any], new: FactorRow) -> list[tuple[date | None, date | None]]:
    """The days of an old version before and after a new one."""
    left: list[tuple[date | None, date | None]] = []
    if new.valid_from is not None and (old.valid_from is None or old.valid_from < new.valid_from):
        left.append((old.valid_from, new.valid_from))
    if new.valid_to is not None and (old.valid_to is None or old.valid_to > new.valid_to):
        left.append((new.valid_to, old.valid_to))
    return left


def _overlap(old: Row[Any], new: FactorRow) -> bool:
    return (old.valid_from is None or new.valid_to is None or old.valid_from < new.valid_to) and (
        new.valid_from is None or old.valid_to is None or new.valid_from < old.valid_to
    )


def _insert(connection: Connection, slug: str, figures: dict[str, Any], since: Any) -> int:
    made = connection.scalar(
        insert(t.factor).values(slug=slug, known_from=since, **figures).returning(t.factor.c.id)
    )
    return int(made or 0)


def _all(connection: Connection, slug: str) -> Sequence[Row[Any]]:
    return connection.execute(
        select(t.factor).where(t.factor.c.slug == slug, t.factor.c.facility_id.is_(None))
    ).all()


def _in_force(connection: Connection, slug: str) -> list[Row[Any]]:
    return [row for row in _all(connection, slug) if row.known_to is None]


def _recompute(connection: Connection, altered: dict[str, FactorChange], by: str | None) -> None:
    """Queue the sources that use one of the factors, unless their facility has one of its own."""
    own = {
        (row.facility_id, row.slug)
        for row in connection.execute(
            select(t.factor.c.facility_id, t.factor.c.slug).where(
                t.factor.c.slug.in_(altered),
                t.factor.c.facility_id.is_not(None),
                t.factor.c.known_to.is_(None),
            )
        )
    }
    shared = shared_factors(connection)
    rows = connection.execute(
        select(
            t.source.c.id,
            t.source.c.spec,
            t.facility.c.id.label("facility"),
            t.facility.c.slug,
            t.facility.c.timezone,
        )
        .join(t.facility, t.facility.c.id == t.source.c.facility_id)
        .where(t.source.c.active, t.source.c.method == "activity")
    ).all()
    for row in rows:
        source = _SOURCE.validate_python(row.spec)
        mine = {
            slug: altered[slug]
            for slug in source.factors
            if slug in altered and (row.facility, slug) not in own
        }
        wanted = recompute_queue.of_factors(mine, factor=source.factor)
        if wanted is None:
            continue
        channel = connection.execute(
            select(t.channel.c.id, t.channel.c.spec)
            .join(t.source_input, t.source_input.c.channel_id == t.channel.c.id)
            .where(t.source_input.c.source_id == row.id)
        ).one()
        _must_compute(
            f"{row.slug}/{source.id}", source, channel.spec, [f for f in shared if f.id in mine]
        )
        recompute_queue.queue(
            connection, row.facility, row.id, [channel.id], wanted, timezone=row.timezone, by=by
        )


def _must_compute(
    name: str, source: model.ActivitySource, channel: Any, versions: Sequence[Factor]
) -> None:
    for slug in {version.id for version in versions}:
        try:
            build.method(
                source.model_copy(update={"factor": slug, "market_factor": None}),
                {"input": model.Channel.model_validate(channel)},
                enumerate(version for version in versions if version.id == slug),
                "UTC",
            )
        except ConfigurationError as error:
            raise registry.ApplyError(
                f"{name} could not be computed with this file's {slug}: {error}"
            ) from None
