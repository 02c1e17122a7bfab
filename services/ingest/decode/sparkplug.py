"""Sparkplug B: metrics that have their names become the values of channels.

Aliases are resolved before (:mod:`services.ingest.sparkplug`); a metric that is still without its
name, or whole numbers without their type, are refused: a guess could be a reading of another
channel. A metric that no channel names is ignored. Values come from births, too: they are the
present ones, but for amounts (intervals and events), which a birth only repeats.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from services.core.accounting.units import UnitError, unit
from services.ingest.decode.instant import NEWEST_US
from services.ingest.decode.observation import (
    GOOD,
    MAX_VALUES,
    QUALITY,
    TIME_FROM_BROKER,
    TIME_FROM_DEVICE,
    Decoded,
    Decoder,
    Observation,
    Part,
    Problem,
    UndecodableError,
    UnreadableValueError,
)
from services.ingest.decode.shown import shown
from services.ingest.decode.sparkplug_payload import (
    INTEGERS,
    SIGNED_BITS,
    properties,
    read,
    signed,
    value_field,
)
from services.ingest.quarantine.reasons import Reason

#: Properties that tell a metric's unit; the specification names none, these are customary.
UNIT_PROPERTIES: Final = ("engUnit", "Engineering Units", "engineeringUnits", "unit")

#: The property that tells how good a value is (section 6.4.14.1), and its words.
_QUALITY_PROPERTY: Final = "Quality"
_QUALITIES: Final[Mapping[int, int]] = {
    0: QUALITY["bad"],
    192: GOOD,
    # stale: what was measured before, and may be so no longer
    500: QUALITY["bad"],
}

_DATE_TIME: Final = 13

#: What a value is that is no number, by the field that it stands in.
_NO_NUMBERS: Final[Mapping[str, str]] = {
    "string_value": "a text",
    "bytes_value": "an array, a file or bytes",
    "dataset_value": "a data set",
    "template_value": "a template",
    "extension_value": "an extension",
}

_COMPOUND: Final = frozenset({"dataset_value", "template_value"})

#: How many names are told of those that a birth has instead.
_MAX_SUGGESTED: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """Which channel takes which metric."""

    channels: Mapping[str, str]
    #: channels of amounts, by metric: what comes twice counts twice
    amounts: frozenset[str]


def decoder(_device: Part, channels: Sequence[Part]) -> Decoder:
    """Return the decoder of a device's NDATA or DDATA; see :data:`.observation.DecoderFactory`."""
    return partial(_decode, _names(channels), is_birth=False)


def birth_decoder(channels: Sequence[Part]) -> Decoder:
    """Return the decoder of a device's NBIRTH or DBIRTH."""
    return partial(_decode, _names(channels), is_birth=True)


def death_decoder(channels: Sequence[Part]) -> Decoder:
    """Return the decoder of a device's death: from its time on no value of a gauge holds."""
    gauges = [channel["id"] for channel in channels if channel.get("kind") == "gauge"]
    return partial(_decode_death, gauges)


def _names(channels: Sequence[Part]) -> _Names:
    return _Names(
        channels={channel.get("from") or channel["id"]: channel["id"] for channel in channels},
        amounts=frozenset(
            channel.get("from") or channel["id"]
            for channel in channels
            if channel.get("kind") in {"interval", "event"}
        ),
    )


def _decode_death(gauges: Iterable[str], payload: bytes, received_us: int) -> Decoded:
    try:
        ts_us, time_source = _time(read(payload), None, received_us)
    except ValueError as error:
        raise UndecodableError(Reason.BAD_TIME, str(error)) from None
    bad = QUALITY["bad"]
    return Decoded(
        observations=[Observation(gauge, ts_us, None, None, bad, time_source) for gauge in gauges]
    )


def _decode(names: _Names, payload: bytes, received_us: int, *, is_birth: bool) -> Decoded:
    message = read(payload)
    if len(message.metrics) > MAX_VALUES:
        detail = f"the message has {len(message.metrics)} metrics, more than {MAX_VALUES}"
        raise UndecodableError(Reason.TOO_MANY_VALUES, detail)
    decoded = Decoded(observations=[], problems=[])
    nameless = 0
    for metric in message.metrics:
        name = metric.name
        if not name:
            nameless += 1
            continue
        channel = names.channels.get(name)
        if channel is None:
            if value_field(metric) in _COMPOUND:
                decoded.problems.extend(_members(names, metric))
        elif not metric.is_transient and not (is_birth and name in names.amounts):
            _take(names, message, metric, channel, received_us, decoded)
    if nameless:
        decoded.problems.append(_nameless(nameless))
    if is_birth:
        decoded.problems.extend(_missing(names, message))
    return decoded


def _nameless(number: int) -> Problem:
    metrics = "one metric has" if number == 1 else f"{number} metrics have"
    detail = (
        f"{metrics} an alias that no birth explains beyond doubt: none was heard, or those before"
        " and after it say different things"
    )
    return Problem(reason=Reason.UNKNOWN_METRIC, detail=detail)


def _missing(names: _Names, message: Any) -> list[Problem]:
    """Find channels whose metric a birth has not, though it names all that will ever be sent."""
    present = {metric.name for metric in message.metrics}
    problems = []
    for name, channel in names.channels.items():
        if name in present or any(_holds(metric, name) for metric in message.metrics):
            continue
        near = difflib.get_close_matches(name, sorted(present), _MAX_SUGGESTED, 0.5)
        instead = f"; it has {', '.join(map(shown, near))}" if near else ""
        detail = f"the birth has no metric {shown(name)}{instead}"
        problems.append(Problem(reason=Reason.UNKNOWN_METRIC, detail=detail, channel=channel))
    return problems


def _holds(metric: Any, name: str) -> bool:
    """Whether a template or data set has what a channel names a member of it."""
    return value_field(metric) in _COMPOUND and name.startswith(f"{metric.name}/")


def _members(names: _Names, metric: Any) -> list[Problem]:
    kind = _NO_NUMBERS[value_field(metric) or ""]
    return [
        Problem(
            reason=Reason.UNSUPPORTED_METRIC,
            detail=f"{shown(name)} is a part of {shown(metric.name)}, which is {kind}",
            channel=channel,
        )
        for name, channel in names.channels.items()
        if _holds(metric, name)
    ]


def _take(
    names: _Names, message: Any, metric: Any, channel: str, received_us: int, decoded: Decoded
) -> None:
    try:
        ts_us, time_source = _time(
            message, metric, received_us, is_amount=metric.name in names.amounts
        )
    except ValueError as error:
        decoded.problems.append(Problem(reason=Reason.BAD_TIME, detail=str(error), channel=channel))
        return
    try:
        value = _value(metric)
        known = dict(properties(metric))
        quality = _quality(known.get(_QUALITY_PROPERTY))
    except UnreadableValueError as error:
        decoded.problems.append(
            Problem(reason=error.reason, detail=error.detail, channel=channel, ts_us=ts_us)
        )
        return
    decoded.observations.append(
        Observation(channel, ts_us, value, _unit(known), quality, time_source)
    )


def _time(
    message: Any, metric: Any | None, received_us: int, *, is_amount: bool = False
) -> tuple[int, int]:
    """Return when a metric was measured, in microseconds, and whose clock told it.

    :raises ValueError: its time lies beyond the year 9999, or history or an amount has none.
    """
    ms: int = metric.timestamp if metric is not None else 0
    if not ms and metric is not None and metric.is_historical:
        raise ValueError("the metric is historical and has no timestamp of its own")
    ms = ms or message.timestamp
    if not ms and is_amount:
        raise ValueError("an amount needs a time of its own")
    if not ms:
        return received_us, TIME_FROM_BROKER
    if ms * 1000 > NEWEST_US:
        raise ValueError(f"the timestamp {ms} ms lies beyond the year 9999")
    return ms * 1000, TIME_FROM_DEVICE


def _value(metric: Any) -> float | None:
    if metric.is_null:
        return None
    field, name = value_field(metric), shown(metric.name)
    if field is None:
        raise UnreadableValueError(Reason.BAD_VALUE, f"{name} has neither a value nor is_null")
    kind = _NO_NUMBERS.get(field)
    if kind is not None:
        reason = Reason.UNSUPPORTED_METRIC if field in _COMPOUND else Reason.BAD_VALUE
        raise UnreadableValueError(reason, f"{name} is {kind}, not a number")
    value = getattr(metric, field)
    if field not in INTEGERS:
        if not math.isfinite(value):
            raise UnreadableValueError(Reason.NOT_FINITE, f"{name} is not finite")
        return float(value)
    if not metric.datatype:
        detail = f"{name} is a whole number whose type no birth explains beyond doubt"
        raise UnreadableValueError(Reason.UNKNOWN_METRIC, detail)
    if metric.datatype == _DATE_TIME:
        raise UnreadableValueError(Reason.BAD_VALUE, f"{name} is a date, not a number")
    bits = SIGNED_BITS.get(metric.datatype)
    return float(value if bits is None else signed(value, bits))


def _quality(code: float | str | None) -> int:
    if code is None:
        return GOOD
    quality = _QUALITIES.get(code) if isinstance(code, int) else None
    if quality is None:
        detail = f"the quality is {shown(code)}, which is none of 0 (bad), 192 (good), 500 (stale)"
        raise UnreadableValueError(Reason.BAD_QUALITY, detail)
    return quality


def _unit(known: Mapping[str, float | str | None]) -> str | None:
    for name in UNIT_PROPERTIES:
        text = known.get(name)
        if isinstance(text, str) and _is_unit(text):
            return text
    return None


@lru_cache(maxsize=1024)
def _is_unit(text: str) -> bool:
    """Whether a word is a unit that is known; others are for people, and the file says it."""
    try:
        unit(text)
    except UnitError:
        return False
    return True
