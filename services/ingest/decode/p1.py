"""Telegrams of P1 ports: the lines that channels name by their OBIS codes become values.

As in the P1 Companion Standards of DSMR 2.2 to 5.0.2, eMUCS-P1 (Belgium), and what Luxembourg and
Sweden made of them. Lines, checksums and encryption are read by dsmr-parser, whose tables of
countries are not needed: a channel says itself which line is its value.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from services.core.facility.connections import P1_ZONE
from services.core.runtime import secret_files
from services.core.runtime.secret_files import SecretFileError
from services.core.timeline.instants import to_us
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
    UnreadableValueError,
)
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason

if TYPE_CHECKING:
    from dsmr_parser.parsers import TelegramParser

#: How a telegram begins that is encrypted (DLMS general-glo-ciphering): tag, and a length.
ENCRYPTED: Final = b"\xdb\x08"

#: Belgium's longest have 4 kB.
LONGEST_BYTES: Final = 16_384

#: The line that says when the telegram was made.
_MADE_AT: Final = r"^0-0:1\.0\.0\([^\r\n]*"

#: What tells a version that has a checksum: DSMR 4 and later, and Belgium's.
_HAS_CHECKSUM: Final = re.compile(r"^(?:1-3:0\.2\.8|0-0:96\.1\.4)\(", re.MULTILINE)

_END: Final = re.compile(r"^!([0-9A-Fa-f]{0,4})[ \t]*\r?$", re.MULTILINE)

_TIME: Final = re.compile(r"([0-9]{12})([SW]?)\Z")

_HOUR: Final = timedelta(hours=1)
_NONE: Final = timedelta()

_KEY: Final = re.compile(r"[0-9A-Fa-f]{32}\Z")

#: Groups of a line in which a meter behind this one tells its value: time and value, or as of DSMR
#: 2.2 time, status, minutes, number, code, unit, and the value in a line of its own.
_OF_OTHERS: Final = 2
_OF_OTHERS_2_2: Final = 7

#: Kinds of channels that need a time of their own.
_AMOUNTS: Final = frozenset({"interval", "event"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """What one line says."""

    value: Decimal | None
    unit: str | None
    #: as the meter writes it; None: the value has none of its own
    time: str | None = None


class _LineParser:
    """Reads a line by the number of its groups: what dsmr-parser calls a value parser."""

    def __init__(self) -> None:
        from dsmr_parser.parsers import CosemParser, MBusParser, ValueParser  # noqa: PLC0415

        text, number = ValueParser(str), ValueParser(Decimal)
        self._plain = CosemParser(number)
        self._of_others = MBusParser(text, number)
        self._of_others_2_2 = MBusParser(*[text] * (_OF_OTHERS_2_2 - 1), number)

    def parse(self, line: str) -> _Line | UnreadableValueError:
        """Read a line; an error is returned, for the library drops lines that raise one."""
        try:
            return self._read(line)
        except Exception:  # noqa: BLE001 - the library names no closed set of errors
            # no value in parentheses, several, or one that is no number
            detail = f"the line {shown(line.strip())} holds no single number"
            return UnreadableValueError(Reason.BAD_VALUE, detail)

    def _read(self, line: str) -> _Line:
        groups = line.count("(")
        if groups == _OF_OTHERS:
            time, value = self._of_others.parse(line).values
            return _Line(value=value["value"], unit=value["unit"], time=time["value"])
        if groups == _OF_OTHERS_2_2:
            time, *_, unit, value = self._of_others_2_2.parse(line).values
            return _Line(value=value["value"], unit=unit["value"], time=time["value"])
        (value,) = self._plain.parse(line).values
        return _Line(value=value["value"], unit=value["unit"])


class _TextParser:
    """Reads the text in parentheses."""

    def parse(self, line: str) -> str:
        """Return it; empty if there is none."""
        return line.partition("(")[2].partition(")")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reader:
    """How the telegrams of one device are read."""

    plain: TelegramParser
    encrypted: TelegramParser
    key_env: str | None
    zone: ZoneInfo
    channels: Sequence[Part]


def decoder(device: Part, channels: Sequence[Part]) -> Decoder:
    """Return the decoder of a device's telegrams; see :data:`.observation.DecoderFactory`."""
    from dsmr_parser.parsers import TelegramParser  # noqa: PLC0415 - it loads for 0.3 s

    part: Part = device.get("p1") or {}
    lines = _LineParser()
    objects = [
        {"obis_reference": _pattern(code), "value_parser": lines, "value_name": code}
        for code in sorted({channel["from"] for channel in channels})
    ]
    objects.append(
        {"obis_reference": _MADE_AT, "value_parser": _TextParser(), "value_name": "made_at"}
    )
    encrypted = {"checksum_support": True, "general_global_cipher": True, "objects": objects}
    reader = _Reader(
        plain=TelegramParser({"checksum_support": False, "objects": objects}),
        encrypted=TelegramParser(encrypted),
        key_env=part.get("key_env"),
        zone=ZoneInfo(part.get("timezone", P1_ZONE)),
        channels=channels,
    )
    return partial(_decode, reader)


def _pattern(code: str) -> str:
    """Match the code's line, and a line after it that begins with a parenthesis (DSMR 2.2).

    Some meters write the code in full, with *255 behind it.
    """
    return rf"^{re.escape(code)}(?:\*[0-9]{{1,3}})?\([^\r\n]*(?:\r?\n\([^\r\n]*)?"


def _decode(reader: _Reader, payload: bytes, received_us: int) -> Decoded:
    if len(payload) > LONGEST_BYTES:
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD, f"it has {len(payload)} bytes, as no telegram has"
        )
    if payload.startswith(ENCRYPTED):
        telegram = _decrypted(reader, payload)
    else:
        telegram = _checked(reader, payload.decode("latin-1"))
    made_at_us = _made_at(reader, telegram)
    decoded = Decoded(observations=[], problems=[])
    for channel in reader.channels:
        line = telegram.get(_pattern(channel["from"]))
        if line is None:
            continue
        try:
            decoded.observations.append(
                _observation(reader.zone, channel, line, made_at_us, received_us)
            )
        except UnreadableValueError as error:
            problem = Problem(
                reason=error.reason,
                detail=error.detail,
                channel=channel["id"],
                ts_us=received_us if made_at_us is None else made_at_us,
            )
            decoded.problems.append(problem)
    return decoded


def _checked(reader: _Reader, text: str) -> Mapping[str, Any]:
    """Read a telegram whose checksum is right, or that has none as of DSMR 2.2 and 3."""
    end = _END.search(text)
    if not text.startswith("/") or end is None:
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD,
            "it is no telegram of a P1 port, which begins with / and ends with a line of !",
        )
    # what follows the checksum is no part of it
    text = text[: end.end()]
    if end.group(1):
        _check(reader, text)
    elif _HAS_CHECKSUM.search(text):
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD, "the telegram has no checksum, as its version must"
        )
    telegram: Mapping[str, Any] = reader.plain.parse(text)
    return telegram


def _check(reader: _Reader, text: str) -> None:
    try:
        reader.plain.validate_checksum(text)
    except Exception as error:
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD,
            "the checksum does not match the telegram: bytes of it were changed or lost on the way",
        ) from error


def _decrypted(reader: _Reader, payload: bytes) -> Mapping[str, Any]:
    if reader.key_env is None:
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD,
            "the telegram is encrypted: name the variable with its key as p1.key_env",
        )
    try:
        # as it is in the file now: a key is replaced without a restart
        key = (secret_files.value_of(reader.key_env, os.environ) or "").strip()
    except SecretFileError as error:
        raise UndecodableError(Reason.MALFORMED_PAYLOAD, str(error)) from None
    if not _KEY.match(key):
        state = "is not 32 hexadecimal digits" if key else "is not set"
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD, f"the telegram is encrypted, and {reader.key_env} {state}"
        )
    try:
        # the tag's key is public or unknown; that the text is right says its checksum
        telegram: Mapping[str, Any] = reader.encrypted.parse(
            payload.hex(), encryption_key=key, authentication_key=None
        )
    except Exception as error:
        raise UndecodableError(
            Reason.MALFORMED_PAYLOAD,
            f"the telegram cannot be decrypted with the key in {reader.key_env}, or was changed on"
            " the way",
        ) from error
    return telegram


def _made_at(reader: _Reader, telegram: Mapping[str, Any]) -> int | None:
    text = telegram.get(_MADE_AT)
    if text is None:
        return None
    try:
        return _instant(text, reader.zone)
    except UnreadableValueError as error:
        raise UndecodableError(error.reason, error.detail) from None


def _observation(
    zone: ZoneInfo,
    channel: Part,
    line: _Line | UnreadableValueError,
    made_at_us: int | None,
    received_us: int,
) -> Observation:
    if isinstance(line, UnreadableValueError):
        raise line
    ts_us = made_at_us if line.time is None else _instant(line.time, zone)
    if ts_us is None and channel.get("kind") in _AMOUNTS:
        raise UnreadableValueError(
            Reason.BAD_TIME, "an amount needs a time, and the telegram has none"
        )
    value = None if line.value is None else float(line.value)
    if value is not None and not math.isfinite(value):
        raise UnreadableValueError(Reason.NOT_FINITE, f"{channel['from']} is not finite")
    return Observation(
        channel["id"],
        received_us if ts_us is None else ts_us,
        value,
        line.unit,
        GOOD,
        TIME_FROM_BROKER if ts_us is None else TIME_FROM_DEVICE,
    )


def _instant(text: str, zone: ZoneInfo) -> int:
    """Return a time of the meter's clock in microseconds since the epoch.

    The letter alone says how far the clock is ahead, also in the hour that comes twice, and of a
    meter that is not set forward in summer.
    """
    refusal = UnreadableValueError(
        Reason.BAD_TIME, f"{shown(text)} is no time of a P1 port, such as 261123180000W"
    )
    match = _TIME.match(text)
    if match is None:
        raise refusal
    try:
        local = datetime.strptime(match[1], "%y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        raise refusal from None
    if match[2]:
        ahead = (local.utcoffset() or _NONE) - (local.dst() or _NONE)
        local = local.replace(tzinfo=timezone(ahead + (_HOUR if match[2] == "S" else _NONE)))
    return to_us(local)
