"""What a facility file says of HJ 212: where a value stands in a frame, and what must hold of it.

Source: HJ 212-2017, tables 4 (time labels), 8 (letters) and 9 (commands).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from services.core.facility.devices import Device

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

#: Commands that bring data of a period, and what its data stand below.
PERIODS: Final[Mapping[str, str]] = MappingProxyType(
    {"2051": "minutes", "2061": "hour", "2031": "day", "2041": "day"}
)
#: Commands that bring data of an instant: of monitors, and of treatment plants.
INSTANTS: Final = frozenset({"2011", "2021"})

_LENGTHS_S: Final = {"hour": 3600.0, "day": 86_400.0}

#: The letter that says how good a value is, by what it means. F is an instrument out of service: it
#: measured nothing.
QUALITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "N": "good",
        "F": "bad",
        "M": "maintenance",
        "S": "uncertain",
        "D": "bad",
        "C": "calibration",
        "T": "uncertain",
        "B": "bad",
    }
)

_PLACE: Final = re.compile(
    r"(?:(?P<period>minutes|hour|day)\.)?(?P<code>[A-Za-z_][A-Za-z0-9_]*|\"[^\"\\]+\")"
    r"\.(?P<field>[A-Za-z_][A-Za-z0-9_]*)"
)


def letter_of(place: str) -> str | None:
    """Return where the letter of a value stands; None: ``place`` is no value of a factor."""
    match = _PLACE.fullmatch(place)
    return None if match is None else f"{place.rpartition('.')[0]}.Flag"


def problems(path: Path, device: Device) -> Iterator[Finding]:
    """Find every reason why the device's channels could not be told from its frames."""
    for key in ("records", "columns", "timestamp", "compression"):
        if getattr(device, key) is not None:
            yield (*path, key), f"{key} maps another format; a frame of HJ 212 tells it: remove it"
    for j, channel in device.numbered:
        place = (*path, "channels", j)
        if channel.timestamp is not None:
            yield (*place, "timestamp"), "a frame of HJ 212 has one time, DataTime: remove it"
        match = _PLACE.fullmatch(channel.from_ or "")
        if match is None:
            mistake = f"{channel.id} needs from: a factor's code and a field, such as a05001.Rtd"
            advice = "of a period hour.a05001.Avg; codes that begin with a digit in quotes, "
            yield (*place, "from"), f"""{mistake}, {advice}'"01".Rtd'"""
            continue
        yield from _of_period(place, device, j, match["period"], match["field"])


def _of_period(
    path: Path, device: Device, j: int, period: str | None, field: str
) -> Iterator[Finding]:
    channel = device.channels[j]
    if field == "Cou":
        if period is None or channel.kind != "interval":
            mistake = f"{channel.id} is the amount of a period: let it be kind: interval, from"
            yield path, f"{mistake} hour.CODE.Cou, with length: 1h and stamp: start"
    elif channel.kind == "interval":
        yield path, f"{channel.id} is an interval, and {field} is no amount: take Cou"
    if channel.kind == "interval" and channel.stamp == "end":
        yield (*path, "stamp"), "DataTime is the beginning of the period: say stamp: start"
    length = _LENGTHS_S.get(period or "")
    if length is None:
        return
    if channel.kind == "interval" and channel.length is not None and channel.length != length:
        yield (*path, "length"), f"{period}.* has amounts of {_written(length)}: say so in length"
    if channel.kind == "gauge" and channel.max_gap < length:
        need = f"{channel.id} is a mean of {_written(length)}, and holds for as long: say"
        yield path, f"{need} max_gap: {_written(length)}"


def _written(length_s: float) -> str:
    return f"{length_s / 3600:g}h"
