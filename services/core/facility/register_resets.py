"""Registers that begin again at zero each day, month or year: how a facility file says so."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from services.core.accounting.register_records import Resets
from services.core.facility.fields import Part, Zone

_EVERY: Final = {"daily": "day", "monthly": "month", "yearly": "year"}


class StatedResets(Part):
    """When a register begins again at zero."""

    every: Literal["day", "month", "year"] = Field(
        examples=["day"], description="What the register shows the sum of."
    )
    timezone: Zone | None = Field(
        None,
        examples=["Etc/GMT-1"],
        description=(
            "Time zone of the clock by which the device sets it to zero: Etc/GMT-1 for one that"
            " stays at UTC+1 in summer. Default: the facility's."
        ),
    )

    @property
    def rule(self) -> Resets:
        """As accounting takes it."""
        assert self.timezone is not None  # noqa: S101 - see with_zone
        return Resets(every=self.every, zone=ZoneInfo(self.timezone))


def _in_full(value: Any) -> Any:
    return {"every": _EVERY[value]} if isinstance(value, str) and value in _EVERY else value


#: ``daily``, ``monthly`` or ``yearly``, or with a time zone.
ResetsOf = Annotated[
    StatedResets,
    BeforeValidator(
        _in_full, json_schema_input_type=Literal["daily", "monthly", "yearly"] | StatedResets
    ),
]


def with_zone(data: Any) -> Any:
    """Return a facility file whose channels all state the zone that their registers begin by."""
    facility = data.get("facility") if isinstance(data, dict) else None
    zone = facility.get("timezone") if isinstance(facility, dict) else None
    devices = data.get("devices") if isinstance(data, dict) else None
    if not isinstance(devices, list | tuple) or not isinstance(zone, str):
        return data
    return {**data, "devices": [_device(device, zone) for device in devices]}


def _device(device: Any, zone: str) -> Any:
    channels = device.get("channels") if isinstance(device, dict) else None
    if not isinstance(channels, list | tuple) or not any(map(_resets, channels)):
        return device
    return {**device, "channels": [_channel(channel, zone) for channel in channels]}


def _channel(channel: Any, zone: str) -> Any:
    resets = _in_full(_resets(channel))
    if not isinstance(resets, dict) or resets.get("timezone") is not None:
        return channel
    return {**channel, "resets": {**resets, "timezone": zone}}


def _resets(channel: Any) -> Any:
    return channel.get("resets") if isinstance(channel, dict) else None
