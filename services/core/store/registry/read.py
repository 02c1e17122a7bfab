"""The registry as the services see it: a frozen snapshot with its revision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from services.core.facility.in_force import InForce, in_force
from services.core.facility.model import own_topic
from services.core.store.factor_series.names import Series

_RETIRED_TOPICS = """
SELECT DISTINCT f.slug AS facility, d.slug AS device, d.topic AS device_topic,
       c.spec ->> 'topic' AS channel_topic
FROM facility f JOIN device d ON d.facility_id = f.id JOIN channel c ON c.device_id = d.id
WHERE f.retired_at IS NOT NULL AND d.active AND c.active
ORDER BY 1, 2
"""

# What still comes for them is handed over to the cell where they live.
_MOVED = """
SELECT DISTINCT ON (d.facility) d.facility, d.to_cell, d.topics
FROM cell_departure d
WHERE d.left_at IS NOT NULL AND NOT EXISTS (SELECT FROM facility f WHERE f.slug = d.facility)
ORDER BY d.facility, d.id DESC
"""

_SERIES = """
SELECT s.id, s.slug, s.unit, s.facility_id, f.slug AS facility
FROM factor_series s LEFT JOIN facility f ON f.id = s.facility_id
WHERE f.retired_at IS NULL
"""

ChannelKind = Literal["counter", "gauge", "interval", "event"]

#: Kinds and quantities of channels that may show what flows out as what is below zero.
_SIGNED = {
    ("gauge", "power"),
    ("interval", "energy"),
}

_FACILITIES = "SELECT slug, retired_at, document -> 'ignored_ids' AS ignored_ids FROM facility"

#: Those in force; ``facility`` null: of all facilities.
_CHANNELS = """
SELECT c.id, c.device_id, c.slug, c.quantity, c.unit, c.kind, c.spec,
       EXISTS (SELECT FROM source_input i JOIN source s ON s.id = i.source_id
               WHERE i.channel_id = c.id AND i.role = 'input' AND s.active AND s.scope = 2
                 AND s.method = 'activity') AS is_bought,
       d.slug AS device, d.facility_id, f.slug AS facility
FROM channel c JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id
WHERE c.active AND d.active AND f.retired_at IS NULL
  AND (%(facility)s::text IS NULL OR f.slug = %(facility)s)
"""

_REVISION = "SELECT revision FROM registry_revision"


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """One measured quantity of a device."""

    id: int
    facility_id: int
    facility: str
    device: str
    slug: str
    quantity: str
    #: the unit that readings are stored in
    unit: str
    kind: ChannelKind
    #: the channel's part of the facility file, validated
    spec: Mapping[str, Any] = field(repr=False)
    #: scope 2 counts it as what was bought
    is_bought: bool = False

    @property
    def counts_one_way(self) -> bool:
        """Whether a value below zero would be taken off what flowed in, as if it had never been."""
        direction = self.spec.get("direction")
        stated_or_bought = direction is not None or self.is_bought
        return (self.kind, self.quantity) in _SIGNED and stated_or_bought and direction != "both"

    @property
    def in_force(self) -> tuple[InForce, ...]:
        """What its dated figures are, by when; the first is of the time before the second."""
        return in_force(self.unit, self.spec)

    def over_range(self, terms: InForce) -> tuple[float, float] | None:
        """Between which values, in the channel's unit, a refused one is over-range; None: none is.

        Up to twice the scale, or twice the end of the range, a monitor has gone over it; beyond
        that it shows nothing that it measured.
        """
        if terms.plausible is None or terms.range is None or self.kind != "gauge":
            return None
        end = terms.counted_full_scale or terms.range[1]
        above = terms.plausible[1]
        return (above, 2 * end) if 2 * end > above else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Device:
    """One publisher of readings."""

    id: int
    facility_id: int
    facility: str
    slug: str
    #: the device's own topic; None: ``emissions/{facility}/{device}/readings``
    topic: str | None
    format: str
    spec: Mapping[str, Any] = field(repr=False)
    channels: Mapping[str, Channel] = field(repr=False)

    @property
    def known_as(self) -> tuple[str, ...]:
        """Ids by which messages at topics of many devices name it; none: all there are its own."""
        return tuple(self.spec.get("known_as") or ())


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoredIds:
    """Ids at a topic of many devices whose messages are known not to matter to a facility."""

    facility: str
    topic: str
    #: None: all that no device is known as
    ids: frozenset[str] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetiredTopic:
    """A device's own topic that is heard no longer, for its facility is retired."""

    topic: str
    facility: str
    device: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedFacility:
    """A facility that left for another cell; what comes at its topics is kept for that one."""

    facility: str
    cell: str
    #: its devices' own
    topics: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Devices:
    """What speaks of the facilities in force, at one revision of the registry."""

    revision: int
    #: facility slugs, those of retired ones too
    facilities: frozenset[str]
    #: by the slugs of facility and device: a device's own is unique within its facility
    by_name: Mapping[tuple[str, str], Device]
    #: by slug: when it was retired
    retired: Mapping[str, datetime] = field(default_factory=dict)
    retired_topics: tuple[RetiredTopic, ...] = ()
    #: ids of factors by the hour, by their facility (None: of every facility) and slug
    series: Mapping[tuple[str | None, str], Series] = field(default_factory=dict)
    ignored_ids: tuple[IgnoredIds, ...] = ()
    #: by slug
    moved: Mapping[str, MovedFacility] = field(default_factory=dict)


def ignored(facility: str, listed: Iterable[Mapping[str, Any]] | None) -> Iterator[IgnoredIds]:
    """Return what a facility's file says of ids that do not matter."""
    for entry in listed or ():
        ids = entry.get("ids")
        yield IgnoredIds(
            facility=facility,
            topic=entry["topic"],
            ids=None if ids is None else frozenset(ids),
        )


def revision(connection: psycopg.Connection[Any]) -> int:
    """Read the registry's present revision; it rises with every change."""
    row = connection.execute(_REVISION).fetchone()
    return int(row[0]) if row else 0


async def revision_async(connection: psycopg.AsyncConnection[Any]) -> int:
    """Read the same in a loop of asyncio."""
    row = await (await connection.execute(_REVISION)).fetchone()
    return int(row[0]) if row else 0


def channels_of(
    connection: psycopg.Connection[Any], facility: str
) -> dict[tuple[str, str], Channel]:
    """Read the active channels of a facility in force, by the slugs of device and channel."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_CHANNELS, {"facility": facility})
        rows = cursor.fetchall()
    for row in rows:
        del row["device_id"]
    return {(row["device"], row["slug"]): Channel(**row) for row in rows}


def devices(connection: psycopg.Connection[Any]) -> Devices:
    """Read all active devices with their active channels, and all series, in one snapshot."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute(_REVISION)
        row = cursor.fetchone()
        found_revision = int(row["revision"]) if row else 0
        cursor.execute(_FACILITIES)
        facilities = cursor.fetchall()
        retired_at = {str(r["slug"]): r["retired_at"] for r in facilities}
        cursor.execute(_CHANNELS, {"facility": None})
        channels: dict[int, dict[str, Channel]] = {}
        for r in cursor:
            owner = channels.setdefault(r.pop("device_id"), {})
            owner[r["slug"]] = Channel(**r)
        cursor.execute(
            "SELECT d.id, d.facility_id, f.slug AS facility, d.slug, d.topic, d.format, d.spec"
            " FROM device d JOIN facility f ON f.id = d.facility_id"
            " WHERE d.active AND f.retired_at IS NULL"
        )
        known = [Device(**r, channels=channels.get(r["id"], {})) for r in cursor]
        cursor.execute(_RETIRED_TOPICS)
        retired_topics = tuple(
            RetiredTopic(topic=topic, facility=r["facility"], device=r["device"])
            for r in cursor
            if (topic := own_topic(r["device_topic"], r["channel_topic"])) is not None
        )
        cursor.execute(_MOVED)
        moved = {
            r["facility"]: MovedFacility(
                facility=r["facility"], cell=r["to_cell"], topics=tuple(r["topics"])
            )
            for r in cursor
        }
        cursor.execute(_SERIES)
        series = {
            (r["facility"], r["slug"]): Series(
                id=r["id"], facility_id=r["facility_id"], slug=r["slug"], unit=r["unit"]
            )
            for r in cursor
        }
    return Devices(
        revision=found_revision,
        facilities=frozenset(retired_at),
        by_name={(d.facility, d.slug): d for d in known},
        retired={slug: retired for slug, retired in retired_at.items() if retired is not None},
        retired_topics=retired_topics,
        series=series,
        moved=moved,
        ignored_ids=tuple(
            entry
            for r in facilities
            if r["retired_at"] is None
            for entry in ignored(r["slug"], r["ignored_ids"])
        ),
    )
