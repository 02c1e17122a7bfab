"""What ingest connects to: an address, and the devices of the registry behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.core.facility.topics import fetched_topic
from services.core.store.registry import read

Part = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, order=True, slots=True)
class Endpoint:
    """Where one connection goes; what is there takes one at a time, as serial lines do."""

    #: ``p1`` or ``modbus``
    protocol: str
    host: str
    port: int
    #: of Modbus: ``tcp`` or ``rtu-over-tcp``
    transport: str = "tcp"

    @property
    def address(self) -> str:
        """Host and port, as people write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectedDevice:
    """A device behind an endpoint."""

    facility: str
    device: str
    #: ``p1`` or ``modbus`` of the facility file
    part: Part
    #: its channels there
    channels: Sequence[Part]

    @property
    def name(self) -> str:
        """Facility and device, as people write them."""
        return f"{self.facility}/{self.device}"


Devices = Mapping[Endpoint, Sequence[ConnectedDevice]]


def endpoint_of(wire_format: str, spec: Part) -> Endpoint | None:
    """Return where a device is; None: it publishes, or is read by another door."""
    part = spec.get(wire_format) if wire_format in {"p1", "modbus"} else None
    if not part or part.get("host") is None:
        return None
    return Endpoint(
        protocol=wire_format,
        host=part["host"],
        port=part["port"],
        transport=part.get("transport", "tcp"),
    )


def topic_of(device: read.Device) -> str | None:
    """Return the topic of a device's own messages; None: the native one."""
    if endpoint_of(device.format, device.spec) is None:
        return device.topic
    return fetched_topic(device.facility, device.slug)


def endpoints(devices: Iterable[read.Device]) -> Devices:
    """Return what devices of the registry are behind which endpoint."""
    behind: dict[Endpoint, list[ConnectedDevice]] = {}
    for device in devices:
        endpoint = endpoint_of(device.format, device.spec)
        if endpoint is not None:
            behind.setdefault(endpoint, []).append(connected(device))
    return behind


def connected(device: read.Device) -> ConnectedDevice:
    """Return what is to be known of a device that has an endpoint."""
    return ConnectedDevice(
        facility=device.facility,
        device=device.slug,
        part=device.spec[device.format],
        channels=[channel.spec for channel in device.channels.values()],
    )
