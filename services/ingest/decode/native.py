"""tonne's own payload, the fast way: typed decoding of payloads that are as they should be.

Whatever is not is decoded once more by :mod:`.native_forgiving`, which names each problem and
keeps the readings that are good.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.ingest.decode import native_forgiving
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
        return Decoded(observations=_observations(readings))
    except (ValueError, RecursionError, OverflowError):
        # msgspec's errors are ValueErrors; so are times and qualities that do not exist
        return native_forgiving.decode(payload, received_us)


def _observations(readings: list[_Reading]) -> list[Observation]:
    observations: list[Observation] = []
    add = observations.append
    for reading in readings:
        ts = reading.ts
        if isinstance(ts, datetime):
            if ts.tzinfo is None:
                raise ValueError("no offset")
            ts_us = to_us(ts)
        else:
            ts_us = parse_number(ts)
        for channel, value in reading.values.items():
            if not isinstance(value, _Value):
                add(Observation(channel, ts_us, value, None, GOOD))
                continue
            quality = GOOD if value.q is None else QUALITY.get(value.q, -1)
            if quality < 0:
                raise ValueError("no such quality")
            add(Observation(channel, ts_us, value.v, value.u, quality))
    if len(observations) > MOST_VALUES:
        raise ValueError("too many values")
    return observations
