"""What people call what a threshold watches, and the unit that its channel is read in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

#: The columns of :func:`joins`, from which :meth:`WatchedNames.of_row` reads.
COLUMNS: Final[LiteralString] = """
       coalesce(named_source.spec ->> 'name', named_source.slug) AS source_name,
       coalesce(named_device.spec ->> 'name', named_device.slug) AS device_name,
       coalesce(named_channel.unit, named_derived.unit) AS channel_unit"""


def joins(facility_id: LiteralString, spec: LiteralString) -> LiteralString:
    """Return the joins that find the names of what a threshold's specification watches.

    Both arguments are SQL expressions. The specification decides, not the threshold's present
    target: an alert keeps the version that it fired by.
    """
    return f"""LEFT JOIN source named_source
       ON named_source.facility_id = {facility_id} AND named_source.slug = {spec} ->> 'source'
LEFT JOIN device named_device ON named_device.facility_id = {facility_id}
      AND named_device.slug
        = coalesce({spec} ->> 'device', split_part({spec} ->> 'channel', '.', 1))
LEFT JOIN channel named_channel ON named_channel.device_id = named_device.id
      AND named_channel.slug = split_part({spec} ->> 'channel', '.', 2)
LEFT JOIN LATERAL (
    SELECT x ->> 'unit' AS unit
    FROM facility derived_of, jsonb_path_query(
        derived_of.document, '$.devices[*] ? (@.id == $device).channels[*] ? (@.id == $channel)',
        jsonb_build_object('device', split_part({spec} ->> 'channel', '.', 1),
                           'channel', split_part({spec} ->> 'channel', '.', 2))) AS x
    WHERE derived_of.id = {facility_id} AND {spec} ->> 'channel' IS NOT NULL
      AND named_channel.id IS NULL
    LIMIT 1) named_derived ON true"""  # noqa: S608 - expressions of this package


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedNames:
    """Names of the source or device that is watched, their ids where they have none."""

    #: None: no source of its own is watched
    source: str | None = None
    #: also of the device whose channel is watched
    device: str | None = None
    channel_unit: str | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> WatchedNames:
        """Return the names in a row that has COLUMNS."""
        return cls(
            source=row["source_name"], device=row["device_name"], channel_unit=row["channel_unit"]
        )
