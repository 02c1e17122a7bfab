"""Factors that every facility may use: their versions, and the sources that use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, select

from services.core.accounting.factors import ConfigurationError, Factor
from services.core.facility import assemble, model
from services.core.facility.errors import ApplyError
from services.core.store.database import locks
from services.core.store.registry import recompute_queue
from services.core.store.registry.apply_factors import FactorChange, with_fallbacks
from services.core.store.registry.factors import from_row
from services.core.store.schema import tables as t

_SOURCE: TypeAdapter[model.ActivitySource] = TypeAdapter(model.ActivitySource)


class Validity(Protocol):
    """What is valid from a day on, up to another (exclusive); None: without end."""

    @property
    def valid_from(self) -> date | None:
        """The first day."""
        ...

    @property
    def valid_to(self) -> date | None:
        """The day after the last."""
        ...


def share_days(one: Validity, other: Validity) -> bool:
    """Return whether both are valid on some day."""
    return _begins_before_end(one, other) and _begins_before_end(other, one)


def _begins_before_end(one: Validity, other: Validity) -> bool:
    return one.valid_from is None or other.valid_to is None or one.valid_from < other.valid_to


def all_versions(connection: Connection, slug: str) -> Sequence[Row[Any]]:
    """Read every version of a factor, superseded ones too."""
    return connection.execute(
        select(t.factor).where(t.factor.c.slug == slug, t.factor.c.facility_id.is_(None))
    ).all()


def in_force(connection: Connection, slug: str) -> list[Row[Any]]:
    """Read the versions of a factor that hold."""
    return [row for row in all_versions(connection, slug) if row.known_to is None]


def shared_factors(connection: Connection) -> list[Factor]:
    """Read the versions in force of all of them, by name and first day."""
    return [factor for factor, _ in every_version(connection) if factor.known_to is None]


def every_version(connection: Connection) -> list[tuple[Factor, bool]]:
    """Read every version of all of them, by name and first day, and whether it was imported."""
    rows = connection.execute(
        select(t.factor)
        .where(t.factor.c.facility_id.is_(None))
        .order_by(t.factor.c.slug, t.factor.c.valid_from.nulls_first(), t.factor.c.known_from)
    ).mappings()
    return [
        (from_row({str(key): value for key, value in row.items()}), row["imported"]) for row in rows
    ]


def recompute_users(
    connection: Connection, altered: Mapping[str, FactorChange], *, whose: str, by: str | None
) -> None:
    """Queue the sources that use one of the factors, unless their facility has one of its own.

    :param whose: where the new versions come from, as a refusal tells it.
    :raises ApplyError: a source could not be computed any more.
    """
    overridden = {
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
    series = _series(connection)
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
    changed: list[tuple[int, int, int, str, recompute_queue.Recomputation]] = []
    for row in rows:
        source = _SOURCE.validate_python(row.spec)
        fallbacks = {**series.get(None, {}), **series.get(row.facility, {})}
        here = with_fallbacks(
            {
                slug: change
                for slug, change in altered.items()
                if (row.facility, slug) not in overridden
            },
            {slug: fallbacks[slug] for slug in source.factors if slug in fallbacks},
        )
        changes = {slug: here[slug] for slug in source.factors if slug in here}
        wanted = recompute_queue.of_factors(changes, factor=source.factor)
        if wanted is None:
            continue
        channel = connection.execute(
            select(t.channel.c.id, t.channel.c.spec)
            .join(t.source_input, t.source_input.c.channel_id == t.channel.c.id)
            .where(t.source_input.c.source_id == row.id)
        ).one()
        unusable = _unusable(source, channel.spec, [f for f in shared if f.id in changes], shared)
        if unusable:
            slug, why = unusable
            raise ApplyError(
                f"{row.slug}/{source.id} could not be computed with {whose} {slug}: {why}"
            )
        changed.append((row.facility, row.id, channel.id, row.timezone, wanted))
    locks.hold_facilities(connection, (facility for facility, *_ in changed))
    for facility, source_id, channel_id, timezone, wanted in changed:
        recompute_queue.queue(
            connection, facility, source_id, [channel_id], wanted, timezone=timezone, by=by
        )


def _series(connection: Connection) -> dict[int | None, dict[str, list[str]]]:
    """Read what series in force fall back to, by facility and name."""
    fallbacks: dict[int | None, dict[str, list[str]]] = {}
    for row in connection.execute(
        select(t.factor.c.facility_id, t.factor.c.slug, t.factor.c.fallback).where(
            t.factor.c.fallback.is_not(None), t.factor.c.known_to.is_(None)
        )
    ):
        fallbacks.setdefault(row.facility_id, {}).setdefault(row.slug, []).extend(
            row.fallback.split()
        )
    return fallbacks


def _unusable(
    source: model.ActivitySource,
    channel: Any,
    versions: Sequence[Factor],
    shared: Sequence[Factor],
) -> tuple[str, str] | None:
    """Return the factor that the source cannot use, and why."""
    for slug in {version.id for version in versions}:
        try:
            assemble.method(
                source.model_copy(update={"factor": slug, "market_factor": None}),
                {"input": model.Channel.model_validate(channel)},
                enumerate(version for version in versions if version.id == slug),
                "UTC",
                fallbacks=lambda name: enumerate(f for f in shared if f.id == name),
            )
        except ConfigurationError as error:
            return slug, str(error)
    return None
