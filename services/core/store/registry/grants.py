"""What a facility owns beyond its own topics: what an admin granted to it.

A key that is limited to facilities may name in their files the topics below
``emissions/{facility}/``, those that an admin granted, and secrets that an admin granted. Whoever
may configure every facility names what they like; the secrets of a file that they apply are granted
by that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from services.core.facility import model
from services.core.facility.errors import ApplyError
from services.core.facility.time_messages import time_topic
from services.core.store.audit.record import record
from services.core.store.schema.tables import channel, device, facility, facility_grant

Kind = Literal["topic", "secret"]


class NotGrantedError(ApplyError):
    """A facility file names what its facility does not own; nothing was changed."""


class GrantRequestError(ValueError):
    """Something cannot be granted or revoked as asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Something that a facility may name."""

    facility: str
    kind: Kind
    name: str
    granted_at: datetime
    granted_by: str


def refuse_what_is_not_owned(connection: Connection, file: model.FacilityFile) -> None:
    """Let a file name only what its facility owns, or named already when somebody else applied it.

    What others own makes no difference to the answer: it tells nothing of them.

    :raises NotGrantedError: it names more.
    """
    slug = file.facility.id
    granted = {
        kind: [grant.name for grant in list_grants(connection, kind, facilities=[slug])]
        for kind in ("topic", "secret")
    }
    named = _named_topics(connection, slug)
    for topic in topics(file):
        is_emissions = covers(f"emissions/{slug}", topic) and topic != f"emissions/{slug}"
        if not (
            is_emissions
            or topic in named
            or any(covers(pattern, topic) for pattern in granted["topic"])
        ):
            raise NotGrantedError(
                f"the topic {topic} does not belong to facility {slug}: its own are those below"
                f" emissions/{slug}/; for others ask an admin for"
                f" `tonne topics grant {slug} TOPIC`"
            )
    for name in _secrets(file):
        if name not in granted["secret"]:
            raise NotGrantedError(
                f"the secret {name} is not granted to facility {slug}; ask an admin for"
                f" `tonne secrets grant {slug} {name}`"
            )


def grant_secrets(
    connection: Connection, facility_id: int, file: model.FacilityFile, changes: list[str], by: str
) -> None:
    """Grant a facility the secrets that its file names, as whoever may grant them applies it."""
    changes += [
        f"+ grant of secret {name}"
        for name in _secrets(file)
        if _grant(connection, facility_id, file.facility.id, "secret", name, by)
    ]


def grant(connection: Connection, slug: str, kind: Kind, name: str, *, by: str) -> bool:
    """Let a facility own something; return whether it is new.

    :raises GrantRequestError: there is no such facility.
    """
    return _grant(connection, _facility_id(connection, slug), slug, kind, name, by)


def revoke(connection: Connection, slug: str, kind: Kind, name: str, *, by: str) -> None:
    """Take back a grant.

    :raises GrantRequestError: there is no such facility, or it has no such grant.
    """
    gone = connection.execute(
        delete(facility_grant).where(
            facility_grant.c.facility_id == _facility_id(connection, slug),
            facility_grant.c.kind == kind,
            facility_grant.c.name == name,
        )
    )
    if gone.rowcount == 0:
        raise GrantRequestError(
            f"{slug} has no grant of {name}; `tonne {kind}s list` shows all that there are"
        )
    record(connection, "grant.revoke", by=by, facility=slug, subject=name, before={"kind": kind})


def list_grants(
    connection: Connection, kind: Kind, *, facilities: Iterable[str] | None = None
) -> list[Grant]:
    """Read what is granted, by facility and name; ``facilities`` None: to all."""
    c = facility_grant.c
    statement = (
        select(facility.c.slug.label("facility"), c.kind, c.name, c.granted_at, c.granted_by)
        .join(facility, facility.c.id == c.facility_id)
        .where(c.kind == kind)
        .order_by(facility.c.slug, c.name)
    )
    if facilities is not None:
        statement = statement.where(facility.c.slug.in_(list(facilities)))
    return [Grant(**row) for row in connection.execute(statement).mappings()]


def still_named(connection: Connection, slug: str, prefix: str) -> list[str]:
    """Read the topics below ``prefix`` that a facility's devices name now."""
    return sorted(topic for topic in _named_topics(connection, slug) if covers(prefix, topic))


def covers(prefix: str, topic: str) -> bool:
    """Return whether ``topic`` is ``prefix`` or lies below it, by whole levels."""
    return topic == prefix or topic.startswith(f"{prefix}/")


def topics(file: model.FacilityFile) -> list[str]:
    """Return the topics of their own that the devices of a file have."""
    topics = {
        model.own_topic(device.topic, part.topic)
        for device in file.devices
        for part in device.measured
    }
    topics |= {
        time_topic(device.topic, {"topic": device.timestamp.topic})
        for device in file.devices
        if device.timestamp is not None
    }
    return sorted(topic for topic in topics if topic is not None)


def _secrets(file: model.FacilityFile) -> list[str]:
    named = {entry.secret_env for entry in file.notify}
    named |= {device.p1.key_env for device in file.devices if device.p1 is not None}
    return sorted(name for name in named if name is not None)


def _named_topics(connection: Connection, slug: str) -> set[str]:
    rows = connection.execute(
        select(device.c.topic, channel.c.spec["topic"].astext, device.c.spec["timestamp"])
        .join(channel, channel.c.device_id == device.c.id)
        .join(facility, facility.c.id == device.c.facility_id)
        .where(facility.c.slug == slug, device.c.active, channel.c.active)
    )
    return {
        topic
        for device_topic, channel_topic, timestamp in rows
        for topic in (
            model.own_topic(device_topic, channel_topic),
            time_topic(device_topic, timestamp),
        )
        if topic is not None
    }


def _facility_id(connection: Connection, slug: str) -> int:
    ident = connection.scalar(select(facility.c.id).where(facility.c.slug == slug))
    if ident is None:
        raise GrantRequestError(f"there is no facility {slug}; apply its file first")
    return int(ident)


def _grant(
    connection: Connection, facility_id: int, slug: str, kind: Kind, name: str, by: str
) -> bool:
    made = connection.execute(
        insert(facility_grant)
        .values(facility_id=facility_id, kind=kind, name=name, granted_by=by)
        .on_conflict_do_nothing()
        .returning(facility_grant.c.name)
    )
    if made.first() is None:
        return False
    record(connection, "grant.give", by=by, facility=slug, subject=name, after={"kind": kind})
    return True
