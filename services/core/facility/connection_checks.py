"""What must hold in a facility file so that devices that ingest connects to are understood."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from services.core.facility.channels import A_KIND
from services.core.facility.devices import Device

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: Identification of a value in a telegram (IEC 62056-61, reduced): medium-channel:C.D.E.
OBIS: Final = re.compile(r"[0-9]{1,3}-[0-9]{1,3}:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\Z")


def misplaced(path: Path, device: Device) -> Iterator[Finding]:
    """Find parts of one format at a device of another."""
    for name in ("p1", "modbus"):
        if getattr(device, name) is not None and device.format != name:
            yield (*path, name), f"{name} needs format: {name} beside it"
    if device.format != "modbus":
        for j, channel in device.numbered:
            if channel.register_ is not None:
                place = (*path, "channels", j, "register")
                yield place, "register is one of a Modbus device: it needs format: modbus"


def problems(
    path: Path, device: Device, *, device_keys: Sequence[str], channel_keys: Sequence[str]
) -> Iterator[Finding]:
    """Find every reason why values of a device could not be read or told apart.

    ``device_keys``, ``channel_keys``: those that map other formats.
    """
    for key in device_keys:
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} maps another format; remove it"
    for j, channel in device.numbered:
        for key in channel_keys:
            if getattr(channel, key) is not None:
                yield (*path, "channels", j, key), f"{key} maps another format; remove it"
    yield from _telegrams(path, device) if device.format == "p1" else _registers(path, device)


def _telegrams(path: Path, device: Device) -> Iterator[Finding]:
    is_fetched = device.p1 is not None and device.p1.host is not None
    if is_fetched and device.topic is not None:
        mistake = "telegrams come from p1.host, or are published at topic"
        yield (*path, "topic"), f"{mistake}: remove one of the two"
    if not is_fetched and device.topic is None:
        advice = "say p1: {host: 192.168.1.30, port: 23}, or the topic that they are published at"
        yield path, f"{device.id} needs where its telegrams come from: {advice}"
    takers: dict[str, str] = {}
    for j, channel in device.numbered:
        place = (*path, "channels", j, "from")
        if channel.from_ is None or not OBIS.match(channel.from_):
            mistake = f"{channel.id} needs from: the OBIS code of its value, such as"
            yield place, f"{mistake} 1-0:1.8.1, as the telegram writes it before the parenthesis"
            continue
        taker = takers.setdefault(channel.from_, channel.id)
        if taker != channel.id:
            mistake = f"{channel.from_} feeds {taker} already, and would count twice"
            yield place, f"{mistake}; one channel is enough"


def _registers(path: Path, device: Device) -> Iterator[Finding]:
    if device.modbus is None:
        advice = "modbus: {host: 192.168.1.40}"
        yield path, f"{device.id} needs where its registers are read, such as {advice}"
    if device.topic is not None:
        yield (*path, "topic"), "registers are read, not published: remove it"
    takers: dict[tuple[str, int], str] = {}
    for j, channel in device.numbered:
        place = (*path, "channels", j)
        if channel.from_ is not None:
            yield (*place, "from"), "of a Modbus device register says where the value stands"
        if channel.kind in {"interval", "event"}:
            mistake = f"{channel.id} is read over and over, and {A_KIND[channel.kind]} would count"
            yield (*place, "kind"), f"{mistake} each time: read a counter or a gauge"
        if channel.register_ is None:
            advice = "register: {address: 19026, type: float32}"
            yield place, f"{channel.id} needs where its value stands, such as {advice}"
            continue
        where = (channel.register_.function, channel.register_.address)
        taker = takers.setdefault(where, channel.id)
        if taker != channel.id:
            mistake = f"{where[0]} register {where[1]} feeds {taker} already"
            yield (*place, "register"), f"{mistake}, and would count twice; one channel is enough"
