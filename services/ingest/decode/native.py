"""tonne's own payload, the fast way: typed decoding of payloads that are as they should be.

Whatever is not is decoded once more by :mod:`.native_forgiving`, which names each problem and
keeps the readings that are good.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, final

import msgspec

from services.core.timeline.instants import to_us
from services.ingest.decode import json_document, native_forgiving
from services.ingest.decode.instant import parse_number
from services.ingest.decode.observation import (
    GOOD,
    MAX_VALUES,
    QUALITY,
    Decoded,
    Decoder,
    Observation,
    Part,
)

#: Keys beside ts and values that are learned of one device, and their length. What has more is
#: understood all the same, a microsecond later.
_MAX_BESIDE: Final = 16
_LONGEST_BESIDE: Final = 64

#: So many more quotation marks than any payload has: what was read says too little to count them.
_UNSURE: Final = 1 << 30


@final
class _Value(msgspec.Struct, gc=False):
    v: float | None
    u: str | None = None
    q: str | None = None


class _Reading(msgspec.Struct, gc=False):
    ts: float | datetime
    values: dict[str, float | _Value | None]


def decoder(_device: Part, _channels: Sequence[Part]) -> Decoder:
    """Return the native decoder of one device; it needs nothing from the facility file."""
    return Native().decode


class Native:
    """Decodes the payloads of one device, and learns which keys it sends beside its readings.

    They mean nothing here. But a key that stands twice is found by counting quotation marks, and
    those of a key that is known are counted without reading the payload a second time.
    """

    def __init__(self) -> None:
        self._beside: frozenset[str] = frozenset()
        self._typed = _typed(self._beside)
        self._fields: Sequence[str] = ()

    def decode(self, payload: bytes, received_us: int) -> Decoded:
        """Decode one native payload; see :data:`.observation.Decoder`."""
        try:
            decoded = self._typed.decode(payload)
            readings = decoded if isinstance(decoded, list) else (decoded,)
            observations, quotes = _observations(readings, self._fields)
        except (ValueError, RecursionError, OverflowError):
            # msgspec's errors are ValueErrors; so are times and qualities that do not exist
            return native_forgiving.decode(payload, received_us)
        if payload.count(b'"') != quotes:
            # a key that is not known, or one that stands twice
            self._learn(json_document.read(payload))
        return Decoded(observations=observations)

    def _learn(self, document: Any) -> None:
        """Know the keys of a document from now on, as far as there is room for them."""
        keys = document[0] if isinstance(document, list) else document
        beside = self._beside.union(filter(_is_learnable, keys)) - {"ts", "values"}
        if len(beside) <= _MAX_BESIDE and beside != self._beside:
            self._beside = beside
            self._typed = _typed(beside)
            self._fields = [f"beside_{i}" for i in range(len(beside))]


@lru_cache(maxsize=256)
def _typed(beside: frozenset[str]) -> msgspec.json.Decoder[_Reading | list[_Reading]]:
    """Build a decoder of readings; keys ``beside`` them become beside_0, beside_1 and so on."""
    names = {f"beside_{i}": key for i, key in enumerate(sorted(beside))}
    reading = msgspec.defstruct(
        "_Reading",
        [(name, Any, msgspec.UNSET) for name in names],
        bases=(_Reading,),
        rename=names,
        gc=False,
    )
    return msgspec.json.Decoder(reading | list[reading])  # type: ignore[valid-type]


def _is_learnable(key: str) -> bool:
    return len(key) <= _LONGEST_BESIDE and key.isprintable() and not {'"', "\\"} & set(key)


def _observations(
    readings: Sequence[_Reading], beside: Sequence[str]
) -> tuple[list[Observation], int]:
    """Return the observations, and how many quotation marks say all that was read.

    ``beside``: fields of the readings that hold what stands beside them.
    """
    observations: list[Observation] = []
    quotes = 4 * len(readings)
    add = observations.append
    for reading in readings:
        ts, values = reading.ts, reading.values
        if isinstance(ts, float):
            # milliseconds of the years 2001 to 2286 are what nearly all devices send
            ts_us = round(ts * 1e3) if 1e12 <= ts < 1e13 else parse_number(ts)
        elif ts.tzinfo is None:
            raise ValueError("no offset")
        else:
            ts_us = to_us(ts)
            quotes += 2
        quotes += 2 * len(values)
        for channel, value in values.items():
            # half the time of isinstance, with a Struct
            if type(value) is not _Value:
                add(Observation(channel, ts_us, value, None, GOOD))
                continue
            quality = GOOD if value.q is None else QUALITY.get(value.q, -1)
            if quality < 0:
                raise ValueError("no such quality")
            quotes += 2 + 4 * (value.u is not None) + 4 * (value.q is not None)
            add(Observation(channel, ts_us, value.v, value.u, quality))
        for name in beside:
            raw = getattr(reading, name)
            quotes += 4 if type(raw) is str else _quotes_beside(raw)
    if len(observations) > MAX_VALUES:
        raise ValueError("too many values")
    return observations, quotes


def _quotes_beside(raw: Any) -> int:
    """Quotation marks of a key and its value, which is no text."""
    if raw is msgspec.UNSET:
        return 0
    if not isinstance(raw, dict | list):
        return 2
    text = msgspec.json.encode(raw)
    # one within a text may be written in several ways
    return _UNSURE if b"\\" in text else 2 + text.count(b'"')


#: At a topic beside those of a device's own format.
decode: Final[Decoder] = Native().decode
