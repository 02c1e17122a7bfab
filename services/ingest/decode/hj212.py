"""Frames of HJ 212 -> records, so that a file names ``a05001.Rtd`` or ``hour.a00000.Cou``.

``DataTime=20260101080000;a05001-Rtd=12.5,a05001-Flag=N`` of command 2011 is ``{"MN": ..., "CN":
"2011", "time": "2026-01-01T08:00:00+08:00", "a05001": {"Rtd": 12.5, "Flag": "N"}}``. What is said
of a period stands below its name, so that an amount of an hour is never taken for one of a day. A
part of a message that was split has its own time and whole groups, and is a record by itself.
Source: HJ 212-2017, tables 2 to 4 and annex C.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from services.core.accounting.hj212 import frames
from services.core.accounting.hj212.frames import TAIL, Frame, FrameError, SealedError
from services.core.accounting.hj212.packets import FrameCutter
from services.core.accounting.hj212.stack import BEIJING
from services.core.facility.hj212_mapping import INSTANTS, PERIODS, QUALITIES, letter_of
from services.ingest import station_keys
from services.ingest.decode.observation import MAX_VALUES, Part, UndecodableError
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason

#: What a device's part says beside what its file does.
DEFAULTS: Final[Mapping[str, Any]] = {"records": "@", "timestamp": {"from": "time"}}

_DATE: Final = re.compile(r"\d{14}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,40}(?:\.\d{0,40})?", re.ASCII)


def with_letters(channels: Sequence[Part]) -> list[Part]:
    """Return channels that have the quality that the letter beside their value means."""
    return [
        {"quality": {"from": letter, "map": QUALITIES}, **channel}
        if (letter := letter_of(channel.get("from", ""))) is not None
        else channel
        for channel in channels
    ]


def read(payload: bytes) -> list[dict[str, Any]]:
    """Read a payload that is one frame or several.

    :raises UndecodableError: it has anything else, or a frame cannot be understood.
    """
    cutter = FrameCutter()
    # gateways leave out the end of the line
    came = cutter.feed(payload + TAIL)
    if not came or cutter.dropped or cutter.waiting:
        detail = "the payload is no frame of HJ 212, from ## to the check code"
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, detail)
    if len(came) > MAX_VALUES:
        detail = f"the message has {len(came)} frames, more than {MAX_VALUES}"
        raise UndecodableError(Reason.TOO_MANY_VALUES, detail)
    try:
        return [_record(frames.read(data, station_keys.key_of).frame) for data in came]
    except SealedError as error:
        detail = f"{error}: {station_keys.ADVICE}"
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, detail) from None
    except FrameError as error:
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, str(error)) from None


def _record(frame: Frame) -> dict[str, Any]:
    """Return what a frame says; a frame without data says who sent it alone."""
    record: dict[str, Any] = {"MN": frame.station, "ST": frame.system, "CN": frame.command}
    period = PERIODS.get(frame.command)
    if period is None and frame.command not in INSTANTS:
        return record
    factors: dict[str, dict[str, Any]] = {}
    for group in frame.region.split(";"):
        for item in group.split(","):
            name, _, text = item.strip().partition("=")
            code, _, field = name.partition("-")
            if field and text:
                _add(factors.setdefault(code, {}), name, field, text)
            elif name == "DataTime":
                record["time"] = _time(text)
    if factors and "time" not in record:
        raise UndecodableError(Reason.BAD_TIME, "the frame has no DataTime")
    return {**record, period: factors} if period is not None else {**factors, **record}


def _add(fields: dict[str, Any], name: str, field: str, text: str) -> None:
    value = float(text) if _NUMBER.fullmatch(text) else text
    if fields.setdefault(field, value) != value:
        detail = f"{shown(name)} stands in the frame twice, with two values"
        raise UndecodableError(Reason.REPEATED_KEY, detail)


def _time(text: str) -> str:
    """Return a time as RFC 3339; it is Beijing time, which has no zone in frames."""
    moment = None
    if _DATE.fullmatch(text):
        with suppress(ValueError):
            moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    if moment is None:
        detail = f"DataTime is {shown(text)}, not YYYYMMDDhhmmss"
        raise UndecodableError(Reason.BAD_TIME, detail)
    return moment.isoformat()
