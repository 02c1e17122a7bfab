"""Registers of Modbus devices as ingest has read them: numbers, in whichever order of their bytes.

A message is what was read at one time, so that it means the same a year later::

    {"time": "2026-11-23T18:00:00.120Z",
     "answers": [{"function": "input", "address": 0, "registers": "4365999a"},
                 {"function": "holding", "address": 40, "count": 2, "exception": 2}]}

Registers are in hexadecimal digits, as they came. An answer may be an exception of the Modbus
Application Protocol V1.1b3, section 7.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal

import msgspec

from services.core.facility.connections import REGISTERS
from services.ingest.decode.instant import parse_text
from services.ingest.decode.observation import (
    GOOD,
    TOO_LARGE_BYTES,
    Decoded,
    Decoder,
    Observation,
    Part,
    Problem,
    UndecodableError,
    UnreadableValueError,
)
from services.ingest.decode.packed_number import packed_number
from services.ingest.decode.text_number import Reader
from services.ingest.quarantine.reasons import Reason

#: What an exception means and what to look at (Modbus Application Protocol V1.1b3, section 7).
EXCEPTIONS: Final[Mapping[int, str]] = {
    1: "illegal function: it has no such registers; the other function may be meant",
    2: "illegal data address: it has no register there; manuals count from 1, or from 40001",
    3: "illegal data value: it does not give so many registers at once",
    4: "its device failed",
    5: "it needs longer for the answer",
    6: "it is busy",
    8: "its memory has an error",
    10: "the gateway has no way to the unit",
    11: "the unit did not answer the gateway",
}

#: Powers of ten that SunSpec allows a scale factor.
_POWERS: Final = range(-10, 11)
#: What stands in a scale factor that is not there.
_NO_POWER: Final = -0x8000

Function = Literal["holding", "input"]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What came of one request."""

    function: Function
    address: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    #: 16 bits each, in hexadecimal digits; None: there was an exception
    registers: Annotated[str, msgspec.Meta(max_length=4 * 125)] | None = None
    #: with an exception: how many registers were asked for
    count: Annotated[int, msgspec.Meta(ge=1, le=125)] | None = None
    exception: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None


class Poll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was read at one time."""

    time: str
    answers: Annotated[list[Answer], msgspec.Meta(max_length=2000)]


_DECODER: Final = msgspec.json.Decoder(Poll)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Value:
    """How the value of a channel is read."""

    channel: str
    function: Function
    address: int
    length: int
    number: Reader
    #: where its power of ten stands
    power_at: int | None
    #: registers that stand for a value that is not there (SunSpec Information Model 1.1)
    absent: str


def decoder(_device: Part, channels: Sequence[Part]) -> Decoder:
    """Return the decoder of what was read; see :data:`.observation.DecoderFactory`."""
    return partial(_decode, [_value(channel) for channel in channels])


def _value(channel: Part) -> _Value:
    register = channel["register"]
    return _Value(
        channel=channel["id"],
        function=register.get("function", "holding"),
        address=register["address"],
        length=REGISTERS[register["type"]],
        number=packed_number({**register, "written": "hex"}),
        power_at=register.get("power_of_ten"),
        absent=_absent(register["type"]),
    )


def _absent(kind: str) -> str:
    length = REGISTERS[kind]
    return "ffff" * length if kind.startswith("uint") else "8000" + "0000" * (length - 1)


def _decode(values: Sequence[_Value], payload: bytes, _received_us: int) -> Decoded:
    if len(payload) >= TOO_LARGE_BYTES:
        raise UndecodableError(Reason.TOO_LARGE, "what was read has 1 MiB or more")
    try:
        poll = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = f"it is not what ingest writes of registers that it has read: {error}"
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, detail[:300]) from None
    try:
        ts_us = parse_text(poll.time)
    except (ValueError, OverflowError) as error:
        raise UndecodableError(Reason.BAD_TIME, f"the time {error}") from None
    decoded = Decoded(observations=[], problems=[])
    for value in values:
        try:
            answer = _answer(poll.answers, value.function, value.address, value.length)
            if answer is not None:
                number = _number(value, answer, poll.answers)
                decoded.observations.append(Observation(value.channel, ts_us, number, None, GOOD))
        except UnreadableValueError as error:
            decoded.problems.append(
                Problem(
                    reason=error.reason, detail=error.detail, channel=value.channel, ts_us=ts_us
                )
            )
    return decoded


def _number(value: _Value, registers: str, answers: Sequence[Answer]) -> float | None:
    number = value.number(registers)
    if number is None or not math.isfinite(number):
        # what SunSpec and many others have where a value is not there
        return None
    if value.power_at is None:
        return number
    power = _answer(answers, value.function, value.power_at, 1)
    if registers.lower() == value.absent:
        return None
    if power is None:
        raise UnreadableValueError(Reason.BAD_VALUE, f"register {value.power_at} was not read")
    (exponent,) = struct.unpack(">h", bytes.fromhex(power))
    if exponent == _NO_POWER:
        return None
    if exponent not in _POWERS:
        raise UnreadableValueError(
            Reason.BAD_VALUE,
            f"register {value.power_at} holds {exponent}, which is no power of ten from -10 to 10",
        )
    factor: float = 10.0 ** abs(exponent)
    return number * factor if exponent >= 0 else number / factor


def _answer(answers: Sequence[Answer], function: Function, address: int, length: int) -> str | None:
    """Return registers as hexadecimal digits; None: nothing is said of them."""
    for answer in answers:
        if answer.function != function or answer.address > address:
            continue
        begin = 4 * (address - answer.address)
        if answer.registers is None:
            if address < answer.address + (answer.count or 0):
                raise UnreadableValueError(
                    Reason.BAD_VALUE, exception_text(address, answer.exception)
                )
            continue
        digits = answer.registers[begin : begin + 4 * length]
        if len(digits) == 4 * length:
            if not _is_hex(digits):
                raise UnreadableValueError(Reason.BAD_VALUE, "registers are not hexadecimal digits")
            return digits
    return None


def _is_hex(digits: str) -> bool:
    try:
        bytes.fromhex(digits)
    except ValueError:
        return False
    return " " not in digits


def exception_text(address: int, code: int | None) -> str:
    """Say what a device answered instead of registers."""
    meaning = EXCEPTIONS.get(code or 0, "its own")
    return f"to register {address} the device answers with exception {code}: {meaning}"
