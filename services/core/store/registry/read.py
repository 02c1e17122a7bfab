"""The registry as the services see it: a frozen snapshot with its revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

ChannelKind = Literal["counter", "gauge", "interval"]


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

    @property
    def range(self) -> tuple[float, float] | None:
        """The physical range in the channel's unit, both ends included; None: unlimited."""
        limits = self.spec.get("range")
        return (float(limits[0]), float(limits[1])) if limits else None


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Devices:
    """Every active device at one revision of the registry."""

    revision: int
    #: facility slugs
    facilities: frozenset[str]
    #: by the slugs of facility and device: a device's own is unique within its facility
    by_name: Mapping[tuple[str, str], Device]


def revision(connection: psycopg.Connection[Any]) -> int:
    """The registry's present revision; it rises with every change."""
    row = connection.execute("SELECT revision FROM registry_revision").fetchone()
    return int(row[0]) if row else 0


def devices(connection: psycopg.Connection[Any]) -> Devices:
    """Read all active devices with their active channels, in one snapshot."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT revision FROM registry_revision")
        row = cursor.fetchone()
        found_revision = int(row["revision"]) if row else 0
        cursor.execute("SELECT slug FROM facility")
        facilities = frozenset(str(r["slug"]) for r in cursor)
        cursor.execute(
            "SELECT c.id, c.device_id, c.slug, c.quantity, c.unit, c.kind, c.spec,"
            " d.slug AS device, d.facility_id, f.slug AS facility"
            " FROM channel c JOIN device d ON d.id = c.device_id"
            " JOIN facility f ON f.id = d.facility_id WHERE c.active AND d.active"
        )
        channels: dict[int, dict[str, Channel]] = {}
        for r in cursor:
            owner = channels.setdefault(r.pop("device_id"), {})
            owner[r["slug"]] = Channel(**r)
        cursor.execute(
            "SELECT d.id, d.facility_id, f.slug AS facility, d.slug, d.topic, d.format, d.spec"
            " FROM device d JOIN facility f ON f.id = d.facility_id WHERE d.active"
        )
        found = [Device(**r, channels=channels.get(r["id"], {})) for r in cursor]
    return Devices(
        revision=found_revision,
        facilities=facilities,
        by_name={(d.facility, d.slug): d for d in found},
    )
