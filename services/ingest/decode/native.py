"""tonne's own payload, the fast way: typed decoding of payloads that are as they should be.

Whatever is not is decoded once more by :mod:`.native_forgiving`, which names each problem and
keeps the readings that are good.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.ingest.decode import json_document, native_forgiving
from services.ingest.decode.instant import parse_number, to_us
from services.ingest.decode.observation import (
    GOOD,
    MOST_VALUES,
    QUALITY,
    Decoded,
    Decoder,
    Observation,
    Part,
)


class _Value(msgspec.Struct, gc=False):
    v: float | None
    u: str | None = None
    q: str | None = None


class _Reading(msgspec.Struct, gc=False):
    ts: float | datetime
    values: dict[str, float | _Value | None]


_typed: Final = msgspec.json.Decoder(_Reading | list[_Reading])


def decoder(_device: Part, _channels: Sequence[Part]) -> Decoder:
    """The native decoder; it needs nothing from the facility file."""
    return decode


def decode(payload: bytes, received_us: int) -> Decoded:
    """Decode one native payload; see :data:`.observation.Decoder`."""
    try:
        found = _typed.decode(payload)
        readings = found if isinstance(found, list) else [found]
        observations, quotes = _observations(readings)
    except (ValueError, RecursionError, OverflowError):
        # msgspec's errors are ValueErrors; so are times and qualities that do not exist
        return native_forgiving.decode(payload, received_us)
    if payload.count(b'"') != quotes:
        # something beside what was read: keys that are ignored, or one that stands twice
        json_document.refuse_repeated_keys(payload)
    return Decoded(observations=observations)


def _observations(readings: list[_Reading]) -> tuple[list[Observation], int]:
    """The observations, and how many quotation marks it takes to say them."""
    observations: list[Observation] = []
    quotes = 4 * len(readings)
    add = observations.append
    for reading in readings:
        ts = reading.ts
        if isinstance(ts, datetime):
            if ts.tzinfo is None:
                raise ValueError("no offset")
            ts_us = to_us(ts)
            quotes += 2
        else:
            ts_us = parse_number(ts)
        quotes += 2 * len(reading.values)
        for channel, value in reading.values.items():
            if not isinstance(value, _Value):
                add(Observation(channel, ts_us, value, None, GOOD))
                continue
            quality = GOOD if value.q is None else QUALITY.get(value.q, -1)
            if quality < 0:
                raise ValueError("no such quality")
            quotes += 2 + 4 * (value.u is not None) + 4 * (value.q is not None)
            add(Observation(channel, ts_us, value.v, value.u, quality))
    if len(observations) > MOST_VALUES:
        raise ValueError("too many values")
    return observations, quotes
