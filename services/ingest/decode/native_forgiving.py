"""tonne's own payload, the thorough way: every problem is named, what is good is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from services.ingest.decode.instant import parse_number, parse_text
from services.ingest.decode.json_document import read_thoroughly
from services.ingest.decode.observation import (
    GOOD,
    MAX_VALUES,
    QUALITY,
    Decoded,
    Observation,
    Problem,
    UndecodableError,
)
from services.ingest.decode.shown import shown
from services.ingest.quarantine.reasons import Reason


def decode(payload: bytes, _received_us: int) -> Decoded:
    """Decode one native payload; see :data:`.observation.Decoder`."""
    document = read_thoroughly(payload)
    readings = document if isinstance(document, list) else [document]
    _count(readings)
    collected = _Collected()
    for collected.record, reading in enumerate(readings):
        collected.reading(reading)
    return Decoded(observations=collected.observations, problems=collected.problems)


def places(payload: bytes) -> Iterator[tuple[int, str, int]]:
    """Yield where a payload names a channel: number of the record, the channel, the time in us.

    :raises UndecodableError: it is no payload.
    """
    document = read_thoroughly(payload)
    for number, reading in enumerate(document if isinstance(document, list) else [document]):
        values = reading.get("values") if isinstance(reading, dict) else None
        if isinstance(values, dict):
            with suppress(ValueError):
                ts_us = _instant(reading)
                for channel in values:
                    yield number, channel, ts_us


def _count(readings: list[Any]) -> None:
    number = sum(
        len(reading["values"])
        for reading in readings
        if isinstance(reading, dict) and isinstance(reading.get("values"), dict)
    )
    # an array of objects without values costs as much to name as one of values
    if max(number, len(readings)) > MAX_VALUES:
        raise UndecodableError(
            Reason.TOO_MANY_VALUES, f"the message has {max(number, len(readings))} values"
        )


class _Collected:
    """What was found so far."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.problems: list[Problem] = []
        #: number of the object that is taken
        self.record = 0

    def reading(self, reading: Any) -> None:
        """Take one object of the message."""
        if not isinstance(reading, dict):
            self._problem(Reason.NOT_A_READING, f"{shown(reading)} is not an object")
            return
        values = reading.get("values")
        if not isinstance(values, dict):
            self._problem(Reason.NOT_A_READING, "there is no object named values")
            return
        try:
            ts_us = _instant(reading)
        except ValueError as error:
            self._problem(Reason.BAD_TIME, f"ts {error}")
            return
        for channel, value in values.items():
            self._value(channel, ts_us, value)

    def _value(self, channel: str, ts_us: int, sent: Any) -> None:
        unit: str | None = None
        quality = GOOD
        value = sent
        if isinstance(sent, dict):
            if "v" not in sent:
                self._problem(Reason.BAD_VALUE, "there is no v", channel=channel, ts_us=ts_us)
                return
            value, unit = sent["v"], sent.get("u")
            if not (unit is None or isinstance(unit, str)):
                self._problem(Reason.BAD_VALUE, f"u is {shown(unit)}", channel=channel, ts_us=ts_us)
                return
            raw = sent.get("q")
            known = GOOD if raw is None else QUALITY.get(raw) if isinstance(raw, str) else None
            if known is None:
                self._problem(
                    Reason.BAD_QUALITY, f"q is {shown(raw)}", channel=channel, ts_us=ts_us
                )
                return
            quality = known
        if value is None:
            self.observations.append(Observation(channel, ts_us, None, unit, quality))
            return
        if not _is_number(value):
            self._problem(
                Reason.BAD_VALUE, f"{shown(value)} is not a number", channel=channel, ts_us=ts_us
            )
            return
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            self.observations.append(Observation(channel, ts_us, number, unit, quality))
        else:
            self._problem(
                Reason.NOT_FINITE, "the value is not finite", channel=channel, ts_us=ts_us
            )

    def _problem(
        self, reason: Reason, detail: str, *, channel: str | None = None, ts_us: int | None = None
    ) -> None:
        self.problems.append(
            Problem(reason=reason, detail=detail, channel=channel, ts_us=ts_us, record=self.record)
        )


def _instant(reading: dict[str, Any]) -> int:
    if "ts" not in reading:
        raise ValueError("is missing")
    ts = reading["ts"]
    if isinstance(ts, str):
        try:
            return parse_text(ts)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{shown(ts)} is not a time: {error}") from None
    if not _is_number(ts):
        raise ValueError(f"{shown(ts)} is not a time: it is neither a text nor a number")
    try:
        return parse_number(float(ts))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(ts)} is not a time: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
