"""Columns of hours to bytes and back, every bit kept.

A mass that equals another is told to, a figure of zeros is not there at all. When an hour was known
and opened is packed as how much later than its begin that was, where that is smaller; a text by its
place among the different ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from services.core.store.emissions.hour_packing.columns import HourColumns, Words
from services.core.store.packing.blobs import (
    RISING,
    DamagedError,
    Source,
    check_lengths,
    check_packed,
    closed,
    integers,
    later,
    text,
    unpacking,
)
from services.core.store.packing.days import Integers
from services.core.store.schema.figures import IN_HOURS, names
from services.core.store.schema.hour_packing import NULLABLE
from services.core.timeline.instants import HOUR_US

#: How a figure is told.
_STORED, _SAME = range(2)

_END: Final = ""


def pack(hours: HourColumns) -> bytes:
    """Pack hours, or versions of them; one or more or none.

    :raises DamagedError: what was packed does not come back as it was; nothing is to be removed.
    """
    columns = [integers(hours.hour, RISING)]
    packed: dict[str, Integers] = {}
    for name in names(IN_HOURS):
        column = hours.figures[name]
        if not column.any():
            continue
        same = next((other for other in packed if np.array_equal(packed[other], column)), None)
        if same is None:
            columns += [text(name), bytes([_STORED]), integers(column)]
            packed[name] = column
        else:
            columns += [text(name), bytes([_SAME]), text(same)]
    begins = hours.hour * HOUR_US
    columns += [
        text(_END),
        *(integers(np.flatnonzero(hours.unknown[name]), RISING) for name in names(NULLABLE)),
        integers(hours.version),
        integers(np.flatnonzero(~hours.final), RISING),
        _words(hours.quality),
        _words(hours.code),
        _words(hours.reason),
        later(hours.known_us, begins),
        later(hours.last_us, begins),
    ]
    blob = closed(*columns)
    check_packed(is_same=unpack(blob).is_same(hours))
    return blob


def unpack(packed: bytes, *, dated: bool = True) -> HourColumns:
    """Return what :func:`pack` was given.

    ``dated``: False leaves out when and why each was known, half of the work: dates are 0, and
    there is no reason.

    :raises DamagedError: it is not what was packed.
    """
    with unpacking():
        return _unpack(packed, dated=dated)


def _unpack(packed: bytes, *, dated: bool) -> HourColumns:
    source = Source(packed)
    hour = source.integers()
    figures: dict[str, Integers] = {}
    while (name := source.text()) != _END:
        figures[name] = source.integers() if source.byte() == _STORED else figures[source.text()]
    unknown = {name: source.flags(hour.size) for name in names(NULLABLE)}
    version = source.integers()
    final = ~source.flags(hour.size)
    quality, code = _taken_words(source), _taken_words(source)
    nothing = np.zeros(hour.size, dtype=np.int64)
    if dated:
        begins = hour * HOUR_US
        reason = _taken_words(source)
        known_us, last_us = source.later(begins), source.later(begins)
        source.ends()
    else:
        reason, known_us, last_us = Words(places=nothing - 1, words=()), nothing, nothing
    columns = [
        *figures.values(),
        version,
        quality.places,
        code.places,
        reason.places,
        known_us,
        last_us,
    ]
    check_lengths(hour.size, columns)
    return HourColumns(
        hour=hour,
        figures={name: figures.get(name, nothing) for name in names(IN_HOURS)},
        unknown=unknown,
        version=version,
        final=final,
        quality=quality,
        code=code,
        reason=reason,
        known_us=known_us,
        last_us=last_us,
    )


def _words(column: Words) -> bytes:
    return b"".join(
        [
            integers(column.places),
            integers(np.array([len(column.words)])),
            *(text(word) for word in column.words),
        ]
    )


def _taken_words(source: Source) -> Words:
    places = source.integers()
    words = tuple(source.text() for _ in range(int(source.integers()[0])))
    if places.size and not -1 <= places.min() <= places.max() < len(words):
        raise DamagedError("a text is missing")
    return Words(places=places, words=words)
