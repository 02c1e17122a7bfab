"""The digest of a month's hours and of the versions that they replaced.

The database computes the same of rows (:mod:`services.core.store.schema.hour_packing`).
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from services.core.store.database.arrays import array_sent, bytes_sent
from services.core.store.emissions.hour_packing.columns import HourColumns, Words
from services.core.store.packing.days import instants
from services.core.store.schema.figures import IN_HOURS
from services.core.store.schema.hour_packing import NULLABLE
from services.core.timeline.instants import HOUR_US

#: Bytes of a digest that are kept.
_BYTES: Final = 16


def digest(in_force: HourColumns, superseded: HourColumns) -> bytes:
    """Return the digest of hours in force and versions, each in their order."""
    return hashlib.sha256(_rows(in_force) + _rows(superseded)).digest()[:_BYTES]


def _rows(hours: HourColumns) -> bytes:
    if not len(hours):
        return b""
    parts = [array_sent(instants(hours.hour * HOUR_US))]
    for figure in IN_HOURS:
        column = hours.figures[figure.name]
        unknown = hours.unknown[figure.name] if figure in NULLABLE else None
        if column.any() or (unknown is not None and unknown.any()):
            parts += [figure.name.encode(), array_sent(column, unknown)]
    parts += [
        array_sent(hours.version.astype(np.int32)),
        array_sent(hours.final),
        array_sent(instants(hours.known_us)),
        array_sent(instants(hours.last_us)),
        *(_words(words) for words in (hours.quality, hours.code, hours.reason)),
    ]
    return b"".join(parts)


def _words(column: Words) -> bytes:
    known = [*(word.encode() for word in column.words), None]
    return bytes_sent([known[place] for place in column.places.tolist()])
