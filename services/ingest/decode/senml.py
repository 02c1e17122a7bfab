"""SenML (RFC 8428): the records of a pack, resolved, become the values of channels.

A record is found by its name, or by the name's part after its last ``:`` or ``/``; its value goes
to the channel of that name, its sum to the one named with ``#s``. Records that no channel names are
ignored. A time relative to "now" is relative to the message's arrival at the broker.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final

from services.core.facility import senml_names
from services.ingest.decode import senml_pack
from services.ingest.decode.instant import parse_epoch
from services.ingest.decode.observation import (
    GOOD,
    TIME_FROM_BROKER,
    TIME_FROM_DEVICE,
    Decoded,
    Decoder,
    Observation,
    Part,
    Problem,
    UndecodableError,
)
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason

#: The version that RFC 8428 defines, and what a pack has that names none (section 4.2).
_VERSION: Final = 10

#: Seconds below this are relative to now (section 4.5.3).
_ABSOLUTE_FROM_S: Final = 2**28

_LAST_PART: Final = re.compile(r"[^:/]*\Z")

#: A record with none of these says only what holds for the records after it.
_REGULAR: Final = frozenset({"n", "u", "v", "vs", "vb", "vd", "s", "t"})

_NOT_NUMBERS: Final = ("vs", "vb", "vd")

#: SenML's unit (RFC 8428 section 12.1, RFC 8798) -> the same one as channels name it.
_UNITS: Final[Mapping[str, str]] = {"/": "1"}

#: A rate's unit -> that of its sum, the integral over seconds (section 4.2).
_SUMS: Final[Mapping[str, str]] = {"W": "J", "kW": "kJ", "MW": "MJ", "GW": "GJ"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """Which channel takes a record's value, and which its sum."""

    values: Mapping[str, str]
    sums: Mapping[str, str]
    #: channels of amounts: what comes twice counts twice, so that an arrival is no time for them
    need_time: frozenset[str]


@dataclass(kw_only=True, slots=True)
class _Base:
    """The base fields in effect (section 4.1)."""

    name: str = ""
    time_s: float = 0.0
    unit: str | None = None
    value: float | None = None
    sum: float | None = None
    version: float = _VERSION


@dataclass(kw_only=True, slots=True)
class _Pack:
    """A pack on its way."""

    names: _Names
    received_us: int
    base: _Base = field(default_factory=_Base)
    decoded: Decoded = field(default_factory=lambda: Decoded(observations=[]))


def decoder(_device: Part, channels: Sequence[Part]) -> Decoder:
    """Build the decoder of a device at one topic; see :data:`.observation.DecoderFactory`."""
    values: dict[str, str] = {}
    sums: dict[str, str] = {}
    for channel in channels:
        name, _, which = (channel.get("from") or channel["id"]).partition("#")
        (sums if which == "s" else values)[name] = channel["id"]
    need_time = frozenset(c["id"] for c in channels if c.get("kind") in {"interval", "event"})
    return partial(_decode, _Names(values=values, sums=sums, need_time=need_time))


def _decode(names: _Names, payload: bytes, received_us: int) -> Decoded:
    pack = _Pack(names=names, received_us=received_us)
    for record in senml_pack.read(payload):
        _take_base(pack.base, record)
        if not _REGULAR.isdisjoint(record):
            _take(pack, record)
    return pack.decoded


def by_name(
    records: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, Observation | Problem | None]]:
    """Yield each record's whole name and value, or what is wrong with it, whatever channels are.

    None: the record has no value, and says what holds for those after it. The observation's channel
    is the name; a time that is relative to the arrival is one from 1970, and its source says so. A
    sum has no name of its own, and is a value that is missing.

    :raises UndecodableError: what holds for all records is wrong.
    """
    names = _Names(values=_Itself(), sums={}, need_time=frozenset())
    pack = _Pack(names=names, received_us=0)
    for record in records:
        _take_base(pack.base, record)
        if _REGULAR.isdisjoint(record):
            yield "", None
            continue
        pack.decoded = Decoded(observations=[])
        _take(pack, record)
        if pack.decoded.observations:
            (observation,) = pack.decoded.observations
            yield observation.channel, observation
        elif pack.decoded.problems:
            (problem,) = pack.decoded.problems
            yield problem.channel or "", problem
        else:
            detail = "it has no value of its own; map sums with the device's format"
            yield "", Problem(reason=Reason.MALFORMED_SENML, detail=detail)


class _Itself(dict[str, str]):
    """Names each name by itself."""

    def get(self, key: str, _default: Any = None) -> str:
        return key


def _take_base(base: _Base, record: Mapping[str, Any]) -> None:
    """Take what a record changes for itself and those after it; wrong, it spoils them all."""
    for label in record:
        if label.endswith("_"):
            # section 4.4: a field that must be understood
            raise _malformed(f"the field {shown(label)} is not known")
    base.name = _base_text(record, "bn", base.name) or ""
    base.unit = _base_text(record, "bu", base.unit)
    base.time_s = _base_number(record, "bt", base.time_s) or 0.0
    base.value = _base_number(record, "bv", base.value)
    base.sum = _base_number(record, "bs", base.sum)
    version = _base_number(record, "bver", base.version)
    if version is None or version > _VERSION:
        raise _malformed(f"the pack is of version {shown(record['bver'])}, later than {_VERSION}")


def _base_text(record: Mapping[str, Any], label: str, before: str | None) -> str | None:
    if label not in record:
        return before
    text = record[label]
    if not isinstance(text, str):
        raise _malformed(f"{label} is {shown(text)}, not a text")
    return text


def _base_number(record: Mapping[str, Any], label: str, before: float | None) -> float | None:
    if label not in record:
        return before
    number = _number(record[label])
    if number is None or not math.isfinite(number):
        raise _malformed(f"{label} is {shown(record[label])}, not a number")
    return number


def _malformed(detail: str) -> UndecodableError:
    return UndecodableError(Reason.MALFORMED_SENML, detail)


def _take(pack: _Pack, record: Mapping[str, Any]) -> None:
    suffix = record.get("n", "")
    name = pack.base.name + suffix if isinstance(suffix, str) else ""
    if not senml_names.is_name(name):
        detail = "a record's name is missing or has characters that names cannot have"
        pack.decoded.problems.append(Problem(reason=Reason.MALFORMED_SENML, detail=detail))
        return
    last_part = _LAST_PART.search(name)
    short = last_part[0] if last_part else name
    channel = pack.names.values.get(name) or pack.names.values.get(short)
    if channel is not None and _has_value(pack.base, record):
        _take_number(pack, record, channel, "v", pack.base.value)
    channel = pack.names.sums.get(name) or pack.names.sums.get(short)
    if channel is not None and ("s" in record or pack.base.sum is not None):
        _take_number(pack, record, channel, "s", pack.base.sum)


def _has_value(base: _Base, record: Mapping[str, Any]) -> bool:
    """Whether the record measured anything beside its sum (section 4.5.4)."""
    return base.value is not None or any(label in record for label in ("v", *_NOT_NUMBERS))


def _take_number(
    pack: _Pack, record: Mapping[str, Any], channel: str, label: str, base: float | None
) -> None:
    problems = pack.decoded.problems
    try:
        ts_us, time_source = _time(pack, record)
    except ValueError as error:
        problems.append(Problem(reason=Reason.BAD_TIME, detail=str(error), channel=channel))
        return
    if channel in pack.names.need_time and time_source == TIME_FROM_BROKER:
        detail = "an interval needs an absolute time"
        problems.append(Problem(reason=Reason.BAD_TIME, detail=detail, channel=channel))
        return
    unit = record.get("u", pack.base.unit)
    other = next((o for o in _NOT_NUMBERS if o in record), None) if label == "v" else None
    raw = record[other] if other else record.get(label, 0)
    value = None if other else _number(raw)
    if value is None:
        reason, detail = Reason.BAD_VALUE, f"{shown(raw)} is not a number"
    elif not math.isfinite(value + (base or 0.0)):
        reason, detail = Reason.NOT_FINITE, "the value is not finite"
    elif not (unit is None or isinstance(unit, str)):
        reason, detail = Reason.BAD_VALUE, f"u is {shown(unit)}"
    else:
        total = value + (base or 0.0)
        sent = _unit_of_sum(unit) if label == "s" else _UNITS.get(unit or "", unit)
        pack.decoded.observations.append(
            Observation(channel, ts_us, total, sent, GOOD, time_source)
        )
        return
    problems.append(Problem(reason=reason, detail=detail, channel=channel, ts_us=ts_us))


def _time(pack: _Pack, record: Mapping[str, Any]) -> tuple[int, int]:
    """Microseconds since the epoch and whose clock told them (section 4.5.3)."""
    time_s = _number(record.get("t", 0))
    if time_s is None or not math.isfinite(time_s):
        raise ValueError(f"t is {shown(record['t'])}, not a number")
    seconds = pack.base.time_s + time_s
    if seconds >= _ABSOLUTE_FROM_S:
        return parse_epoch(seconds, "s"), TIME_FROM_DEVICE
    return parse_epoch(pack.received_us / 1e6 + seconds, "s"), TIME_FROM_BROKER


def _unit_of_sum(unit: str | None) -> str | None:
    if unit is None:
        return None
    return _SUMS.get(unit) or (unit.removesuffix("/s") if unit.endswith("/s") else f"{unit}.s")


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.inf
