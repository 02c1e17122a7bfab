"""Write a facility file into the registry: idempotent, all or nothing, nothing forgotten.

What the file no longer names is switched off, not deleted: its readings and totals stay. Every
configuration a channel or source ever had is kept, every version of a factor too. Where a change
alters how past readings count, the spans concerned are queued to be computed again. A facility that
was retired comes back as it was, its history too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.core.accounting.factors import Factor
from services.core.facility import assemble, model
from services.core.facility.checks import factor_record, factor_versions
from services.core.facility.errors import ApplyError
from services.core.store.database import database_time, locks, notify
from services.core.store.registry import (
    document_changes,
    electricity,
    grants,
    pathways,
    products,
    recompute_queue,
    retirements,
    revisions,
    stated_removals,
)
from services.core.store.registry.apply_factors import FactorChange, apply_factors, with_fallbacks
from services.core.store.registry.apply_thresholds import (
    OwnedElsewhereError,
    apply_thresholds,
    begin_anew,
)
from services.core.store.registry.builtin_release import load_builtin_factors
from services.core.store.registry.shared_factors import shared_factors
from services.core.store.schema import tables as t
from services.core.store.schema.packed_tables import packed_readings


def apply(
    connection: Connection,
    file: model.FacilityFile,
    *,
    text: str | None = None,
    by: str | None = None,
    limited: bool = False,
) -> list[str]:
    """Write ``file``; return a line for each change, none if it was all there already.

    Runs in the caller's transaction. ``text``: the file as it was written, to be given back.
    ``by``: who applies it, as the ledger tells it. ``limited``: they may configure some facilities
    only, so that the file names what its facility owns.

    :raises NotGrantedError: with ``limited``, the file names what its facility does not own.
    :raises ApplyError: a channel with readings would change its quantity, unit or kind, the API
        uses the id of a threshold or maintenance, another facility uses a certificate or retired a
        credit, or the facility is being purged.
    """
    lock(connection)
    if limited:
        grants.refuse_what_is_not_owned(connection, file)
    # before anything is written that a tick might wait for, which this then waits for
    locks.hold_facilities(connection, _known_as(connection, file.facility.id))
    changes = load_builtin_factors(connection, _factors_used(file))
    rezoned = _rezoned(connection, file)
    before = connection.scalar(
        select(t.facility.c.document).where(t.facility.c.slug == file.facility.id)
    )
    after = file.model_dump(mode="json", by_alias=True, exclude_none=True)
    facility_id = _facility(connection, file, text, after, changes, by)
    if not limited:
        grants.grant_secrets(connection, facility_id, file, changes, by or "tonne apply")
    channel_ids, altered = _devices(connection, file, facility_id, changes)
    changes += document_changes.of_derived(before, after)
    altered_factors = with_fallbacks(
        apply_factors(connection, file, facility_id, changes),
        {factor.id: factor.fallback or () for factor in file.factors},
    )
    shared = shared_factors(connection)
    _sources(
        connection,
        file,
        facility_id,
        channel_ids,
        altered,
        altered_factors,
        shared,
        changes,
        rezoned=rezoned,
        by=by,
    )
    try:
        apply_thresholds(connection, file, facility_id, changes, by=by)
    except OwnedElsewhereError as error:
        raise ApplyError(str(error)) from None
    pathways.keep(connection, facility_id, file, changes)
    products.keep(connection, facility_id, file, changes)
    electricity.keep(connection, facility_id, file, changes, limited=limited)
    stated_removals.keep(connection, facility_id, file, changes, limited=limited)
    if before not in (None, after) and not changes:
        changes.append(f"~ facility {file.facility.id}")
    if changes:
        raise_revision(connection)
    return changes


def lock(connection: Connection) -> None:
    """Let nobody else change the registry until the transaction ends, and date what this does."""
    connection.execute(select(func.pg_advisory_xact_lock(locks.REGISTRY)))
    database_time.date_as_believed(connection)


def _known_as(connection: Connection, slug: str) -> Sequence[int]:
    """Return the id of a facility; none: it is new."""
    return connection.scalars(select(t.facility.c.id).where(t.facility.c.slug == slug)).all()


def raise_revision(connection: Connection) -> None:
    """Tell every cache of the registry that it changed."""
    revision = connection.scalar(
        update(t.registry_revision)
        .values(revision=t.registry_revision.c.revision + 1, changed_at=func.now())
        .returning(t.registry_revision.c.revision)
    )
    connection.execute(select(func.pg_notify(notify.REGISTRY, str(revision))))


def _factors_used(file: model.FacilityFile) -> set[str]:
    """Return the factors that sources of the file use, but for those that it states itself."""
    used = {
        name
        for source in file.sources
        if isinstance(source, model.ActivitySource)
        for name in source.factors
    }
    if file.electricity is not None:
        used |= set(file.electricity.factors)
    used |= {name for factor in file.factors for name in factor.fallback or ()}
    return used - {factor.id for factor in file.factors}


def _rezoned(connection: Connection, file: model.FacilityFile) -> str | None:
    """Return how the time zone changes, if it does: factors and periods change at midnight."""
    zone = connection.scalar(
        select(t.facility.c.timezone).where(t.facility.c.slug == file.facility.id)
    )
    if zone is None or zone == file.facility.timezone:
        return None
    return f"time zone {zone} -> {file.facility.timezone}"


def _facility(
    connection: Connection,
    file: model.FacilityFile,
    written: str | None,
    document: Mapping[str, Any],
    changes: list[str],
    by: str | None,
) -> int:
    f = file.facility
    retirements.refuse_if_purged(connection, f.id)
    before = connection.execute(select(t.facility).where(t.facility.c.slug == f.id)).one_or_none()
    values = {"name": f.name, "timezone": f.timezone, "document": document}
    if before is None:
        retirements.refuse_if_moved(connection, f.id)
        facility_id = connection.scalar(
            insert(t.facility).values(slug=f.id, file=written, **values).returning(t.facility.c.id)
        )
        connection.execute(insert(t.facility_progress).values(facility_id=facility_id, sequence=0))
        changes.append(f"+ facility {f.id}")
        return int(facility_id or 0)
    if before.retired_at is not None:
        retirements.end(connection, before.id, by=by)
        begin_anew(connection, before.id)
        changes.append(f"+ facility {f.id}, retired since {before.retired_at:%Y-%m-%dT%H:%MZ}")
    if before.document != document:
        connection.execute(
            update(t.facility)
            .where(t.facility.c.id == before.id)
            .values(applied_at=database_time.NOW, file=written, **values)
        )
        if document_changes.of_facility(before.document, document):
            changes.append(f"~ facility {f.id}")
    elif written is not None and before.file != written:
        # comments and order alone differ: nothing that counts, and still what is given back
        connection.execute(
            update(t.facility).where(t.facility.c.id == before.id).values(file=written)
        )
    return int(before.id)


def _devices(
    connection: Connection, file: model.FacilityFile, facility_id: int, changes: list[str]
) -> tuple[dict[str, int], dict[int, recompute_queue.ChannelChange]]:
    """Write devices; return channel ids by ``device.channel``, and how each changed, by id."""
    before = {
        row.slug: row
        for row in connection.execute(select(t.device).where(t.device.c.facility_id == facility_id))
    }
    channel_ids: dict[str, int] = {}
    altered: dict[int, recompute_queue.ChannelChange] = {}
    for device in file.devices:
        values = {
            "topic": device.topic,
            "format": device.format,
            "spec": {k: v for k, v in model.spec(device).items() if k != "channels"},
            "active": True,
        }
        device_id = _upsert(
            connection,
            t.device,
            before.get(device.id),
            {"facility_id": facility_id, "slug": device.id},
            values,
            changes,
            f"device {device.id}",
        )
        for channel_id, slug, changed in _channels(connection, device, device_id, changes):
            channel_ids[f"{device.id}.{slug}"] = channel_id
            if changed is not None:
                altered[channel_id] = changed
    named = {device.id for device in file.devices}
    for slug, row in before.items():
        if slug not in named and row.active:
            connection.execute(update(t.device).where(t.device.c.id == row.id).values(active=False))
            changes.append(f"- device {slug}")
    return channel_ids, altered


def _channels(
    connection: Connection, device: model.Device, device_id: int, changes: list[str]
) -> Iterator[tuple[int, str, recompute_queue.ChannelChange | None]]:
    before = {
        row.slug: row
        for row in connection.execute(select(t.channel).where(t.channel.c.device_id == device_id))
    }
    for channel in device.measured:
        name = f"channel {device.id}.{channel.id}"
        old = before.pop(channel.id, None)
        values = {
            "quantity": channel.quantity,
            "unit": channel.unit,
            "kind": channel.kind,
            "spec": model.spec(channel),
            "active": True,
        }
        fixed = ("quantity", "unit", "kind")
        if old and any(getattr(old, key) != values[key] for key in fixed):
            has_readings = connection.scalar(
                select(
                    or_(
                        exists().where(t.reading.c.channel_id == old.id),
                        exists().where(packed_readings.c.channel_id == old.id),
                    )
                )
            )
            if has_readings:
                raise ApplyError(
                    f"{name} has readings in {old.unit} as a {old.kind} of {old.quantity}:"
                    " give a channel that measures otherwise an id of its own"
                )
        changed = None
        if old is not None and old.spec != values["spec"]:
            changed = recompute_queue.of_channel(
                f"{device.id}.{channel.id}", old.spec, model.spec(channel)
            )
        channel_id = _upsert(
            connection,
            t.channel,
            old,
            {"device_id": device_id, "slug": channel.id},
            values,
            changes,
            name,
        )
        if old is None or old.spec != values["spec"]:
            revisions.keep(connection, t.channel_revision, channel_id, values["spec"])
        yield channel_id, channel.id, changed
    for slug, row in before.items():
        if row.active:
            connection.execute(
                update(t.channel).where(t.channel.c.id == row.id).values(active=False)
            )
            changes.append(f"- channel {device.id}.{slug}")


def _sources(
    connection: Connection,
    file: model.FacilityFile,
    facility_id: int,
    channel_ids: Mapping[str, int],
    altered_channels: Mapping[int, recompute_queue.ChannelChange],
    altered_factors: Mapping[str, FactorChange],
    shared: Sequence[Factor],
    changes: list[str],
    *,
    rezoned: str | None,
    by: str | None,
) -> None:
    before = {
        row.slug: row
        for row in connection.execute(select(t.source).where(t.source.c.facility_id == facility_id))
    }
    own_factors = [factor_record(factor) for factor in file.factors]
    for source in (*file.sources, *file.production):
        old = before.pop(source.id, None)
        channels = {role: file.channel(ref) for role, ref in source.channels.items()}
        activity = source if isinstance(source, model.ActivitySource) else None
        method = assemble.method(
            source,
            {role: channel for role, channel in channels.items() if channel is not None},
            enumerate(factor_versions(activity.factor, own_factors, shared) if activity else []),
            file.facility.timezone,
            enumerate(factor_versions(activity.market_factor or "", own_factors, shared))
            if activity
            else (),
            lambda name: enumerate(factor_versions(name, own_factors, shared)),
        )
        values = {
            "scope": source.scope,
            "method": source.method,
            "activity_unit": method.activity_unit,
            "spec": model.spec(source),
            "active": True,
            "retired_at": None,
        }
        respecified = old is None or old.spec != values["spec"]
        source_id = _upsert(
            connection,
            t.source,
            old,
            {"facility_id": facility_id, "slug": source.id},
            values,
            changes,
            _called(source.id, source.scope),
        )
        if old is not None and not old.active and old.retired_at is not None:
            connection.execute(
                insert(t.source_absence)
                .values(
                    source_id=source_id,
                    retired_at=old.retired_at,
                    returned_at=database_time.NOW,
                )
                .on_conflict_do_nothing()
            )
        inputs = {role: channel_ids[ref] for role, ref in source.channels.items()}
        if respecified:
            _write_inputs(connection, source_id, inputs, values["spec"])
        wanted = recompute_queue.of_source(
            old, source, values["spec"], inputs, altered_channels, altered_factors, rezoned
        )
        if wanted is not None:
            recompute_queue.queue(
                connection,
                facility_id,
                source_id,
                inputs.values(),
                wanted,
                timezone=file.facility.timezone,
                by=by,
            )
    for slug, row in before.items():
        if row.active:
            connection.execute(
                update(t.source)
                .where(t.source.c.id == row.id)
                .values(active=False, retired_at=database_time.NOW)
            )
            changes.append(f"- {_called(slug, row.scope)}")


def _called(slug: str, scope: int) -> str:
    return f"source {slug}" if scope else f"production {slug}"


def _write_inputs(
    connection: Connection, source_id: int, inputs: Mapping[str, int], spec: Any
) -> None:
    connection.execute(t.source_input.delete().where(t.source_input.c.source_id == source_id))
    for role, channel_id in inputs.items():
        connection.execute(
            insert(t.source_input).values(source_id=source_id, role=role, channel_id=channel_id)
        )
    revisions.keep(connection, t.source_revision, source_id, spec)


def _upsert(
    connection: Connection,
    table: Any,
    old: Row[Any] | None,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    changes: list[str],
    name: str,
) -> int:
    if old is None:
        changes.append(f"+ {name}")
        made = connection.scalar(insert(table).values(**key, **values).returning(table.c.id))
        return int(made or 0)
    if any(getattr(old, column) != value for column, value in values.items()):
        changes.append(f"~ {name}")
        connection.execute(update(table).where(table.c.id == old.id).values(**values))
    return int(old.id)
