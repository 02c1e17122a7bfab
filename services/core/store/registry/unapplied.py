"""Facility files as the registry would show them to ingest once they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from services.core.facility import model
from services.core.store.registry import read

#: More than a device may have: its id is a multiple of this, its channels' those from there on.
_CHANNELS: Final = 10_000


def devices(*files: model.FacilityFile) -> read.Devices:
    """Return what ingest would read, with ids of its own: no database is asked."""
    by_name: dict[tuple[str, str], read.Device] = {}
    for number, file in enumerate(files, 1):
        bought = _bought(file)
        for device in file.devices:
            by_name[file.facility.id, device.id] = _device(
                file.facility.id, device, bought, facility_id=number, id_=_CHANNELS * len(by_name)
            )
    return read.Devices(
        revision=1,
        facilities=frozenset(file.facility.id for file in files),
        by_name=by_name,
        ignored_ids=tuple(
            entry
            for file in files
            for entry in read.ignored(file.facility.id, map(model.spec, file.ignored_ids or ()))
        ),
    )


def _bought(file: model.FacilityFile) -> frozenset[str]:
    """Name the channels whose values scope 2 counts, as :func:`read.devices` asks for them."""
    return frozenset(
        source.channels["input"]
        for source in file.sources
        if isinstance(source, model.ActivitySource)
        and source.scope == 2
        and "input" in source.channels
    )


def _device(
    facility: str, device: model.Device, bought: frozenset[str], *, facility_id: int, id_: int
) -> read.Device:
    channels: Mapping[str, read.Channel] = {
        channel.id: read.Channel(
            id=id_ + place,
            facility_id=facility_id,
            facility=facility,
            device=device.id,
            slug=channel.id,
            quantity=channel.quantity,
            unit=channel.unit,
            kind=cast(read.ChannelKind, channel.kind),
            spec=model.spec(channel),
            is_bought=f"{device.id}.{channel.id}" in bought,
        )
        for place, channel in device.numbered
    }
    return read.Device(
        id=id_,
        facility_id=facility_id,
        facility=facility,
        slug=device.id,
        topic=device.topic,
        format=device.format,
        spec={key: part for key, part in model.spec(device).items() if key != "channels"},
        channels=channels,
    )
