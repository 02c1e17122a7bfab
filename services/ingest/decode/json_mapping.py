"""Foreign JSON: the facility file says where in it each channel's value stands, and its time.

A message is one record, or as many as the device's ``records`` finds. A channel whose value is not
in a record gets no reading from it: devices send only what changed, and much that is no business of
tonne's. A bare number is a record too, and so are numbers parted by commas, as an array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from services.core.store.registry.mapping_expression import MOST_STEPS, Budget
from services.ingest.decode import json_document
from services.ingest.decode.observation import (
    GOOD,
    MOST_VALUES,
    QUALITY,
    TIME_FROM_BROKER,
    Decoded,
    Decoder,
    Observation,
    Part,
    Problem,
    UndecodableError,
)
from services.ingest.decode.selection import (
    MISSING,
    Selection,
    SelectionCostError,
    SelectionError,
    selection,
)
from services.ingest.decode.shown import shown
from services.ingest.decode.text_number import number, says_no_value
from services.ingest.decode.timestamp import ARRIVAL, Timed, TimeRule, time_rule
from services.ingest.reasons import Reason

#: Longer texts are not looked through for numbers.
_LONGEST_LIST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class _Channel:
    """Where the values of one channel come from."""

    id: str
    select: Selection
    #: texts that mean no value, beside those that say it is not a number
    no_value: frozenset[str]
    time: TimeRule
    #: whether a value that comes twice counts twice, so that its arrival is no time for it
    needs_time: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Mapping:
    """What is known of the messages at one topic."""

    records: Selection | None
    channels: tuple[_Channel, ...]
    #: whether any message can be of use that is neither an object nor an array
    takes_scalars: bool
    #: of all expressions together, for one message
    budget: Budget


def decoder(device: Part, channels: Sequence[Part], *, most_steps: int = MOST_STEPS) -> Decoder:
    """The decoder of a device's messages at one topic; see :data:`.observation.DecoderFactory`.

    ``most_steps``: what one message may cost, in steps of :mod:`.mapping_expression`.
    """
    budget = Budget(most_steps)
    device_time = time_rule(device["timestamp"], budget) if "timestamp" in device else ARRIVAL
    mapping = _Mapping(
        records=selection(device["records"], budget) if "records" in device else None,
        channels=tuple(
            _Channel(
                id=channel["id"],
                select=selection(channel.get("from"), budget),
                no_value=frozenset(t for t in channel.get("invalid", ()) if isinstance(t, str)),
                time=(
                    time_rule(channel["timestamp"], budget)
                    if "timestamp" in channel
                    else device_time
                ),
                needs_time=channel.get("kind") == "interval",
            )
            for channel in channels
        ),
        takes_scalars=any(channel.get("from", "@") == "@" for channel in channels),
        budget=budget,
    )
    return partial(_decode, mapping)


def _decode(mapping: _Mapping, payload: bytes, received_us: int) -> Decoded:
    document = _document(payload)
    if not (mapping.takes_scalars or isinstance(document, dict | list)):
        raise UndecodableError(
            Reason.NOT_A_READING, f"the payload is {shown(document)}, not an object or array"
        )
    decoded = Decoded(observations=[])
    mapping.budget.renew(len(payload))
    try:
        for record in _records(mapping, document):
            _Record(record, received_us, decoded).take(mapping.channels)
    except SelectionCostError as error:
        raise UndecodableError(Reason.TOO_COSTLY, str(error)) from None
    return decoded


def _document(payload: bytes) -> Any:
    try:
        return json_document.read(payload)
    except UndecodableError:
        found = _numbers(payload)
        if found is None:
            raise
        return found


def _numbers(payload: bytes) -> float | list[float] | None:
    """What plain text says that JSON cannot: ``10,11,12``, ``+5``, ``007.5``."""
    if len(payload) > _LONGEST_LIST_BYTES:
        return None
    try:
        found = [number(text) for text in payload.decode("ascii").split(",")]
    except UnicodeDecodeError:
        return None
    numbers = [each for each in found if each is not None]
    if len(numbers) != len(found):
        return None
    return numbers[0] if len(numbers) == 1 else numbers


def _records(mapping: _Mapping, document: Any) -> list[Any]:
    if mapping.records is None:
        return [document]
    try:
        found = mapping.records(document)
    except SelectionError as error:
        raise UndecodableError(Reason.BAD_MAPPING, f"records: {error}") from None
    if found is MISSING or found is None:
        return []
    records = found if isinstance(found, list) else [found]
    if len(records) * len(mapping.channels) > MOST_VALUES:
        raise UndecodableError(
            Reason.TOO_MANY_VALUES,
            f"the message has {len(records)} records of up to {len(mapping.channels)} values",
        )
    return records


class _Record:
    """One record on its way; what it holds is added to ``decoded``."""

    def __init__(self, record: Any, received_us: int, decoded: Decoded) -> None:
        self._record = record
        self._received_us = received_us
        self._decoded = decoded
        #: by rule, which most channels share; None: the record tells something that is no time
        self._times: dict[int, Timed | None] = {}

    def take(self, channels: Sequence[_Channel]) -> None:
        """Take each channel's value, if the record has it."""
        for channel in channels:
            try:
                found = channel.select(self._record)
            except SelectionError as error:
                self._problem(Reason.BAD_MAPPING, str(error), channel)
                continue
            if found is MISSING:
                continue
            timed = self._timed(channel)
            if timed is not None:
                self._value(channel, found, timed)

    def _timed(self, channel: _Channel) -> Timed | None:
        key = id(channel.time)
        if key not in self._times:
            try:
                self._times[key] = channel.time.time(self._record, self._received_us)
            except ValueError as error:
                self._times[key] = None
                self._problem(Reason.BAD_TIME, str(error))
        timed = self._times[key]
        if timed is not None and channel.needs_time and timed[1] == TIME_FROM_BROKER:
            self._problem(Reason.BAD_TIME, "an interval needs the time that it lies at", channel)
            return None
        return timed

    def _value(self, channel: _Channel, found: Any, timed: Timed) -> None:
        ts_us, time_source = timed
        value, quality = number(found), GOOD
        if value is None and found is not None:
            if not (isinstance(found, str) and says_no_value(found, channel.no_value)):
                self._problem(Reason.BAD_VALUE, f"{shown(found)} is not a number", channel, ts_us)
                return
            quality = QUALITY["bad"]
        elif value is not None and not math.isfinite(value):
            value, quality = None, QUALITY["bad"]
        self._decoded.observations.append(
            Observation(channel.id, ts_us, value, None, quality, time_source)
        )

    def _problem(
        self, reason: Reason, what: str, channel: _Channel | None = None, ts_us: int | None = None
    ) -> None:
        self._decoded.problems.append(
            Problem(reason=reason, what=what, channel=channel.id if channel else None, ts_us=ts_us)
        )
