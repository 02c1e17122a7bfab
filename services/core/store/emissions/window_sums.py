"""Adds up packed minutes of windows, exactly: masses of a year may be beyond 64 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.emissions import minute_history
from services.core.store.packing.days import Integers
from services.core.store.schema.figures import IN_WINDOWS
from services.core.timeline.instants import to_minute

_LOW: Final = (1 << 32) - 1


def exact(column: Integers) -> int:
    """Add up integers of 64 bits, at most 2**31 of them."""
    return (int((column >> 32).sum()) << 32) + int((column & _LOW).sum())


def packed(
    connection: psycopg.Connection[Any],
    windows: Sequence[tuple[int, str]],
    since: Mapping[str, datetime],
    through: datetime,
) -> dict[str, Any]:
    """Add up what is packed of sources' windows; return arrays, one element for each sum.

    By ``packed_sources``, ``packed_windows`` and the names of figures.
    """
    columns: dict[str, list[Any]] = {"packed_sources": [], "packed_windows": []}
    columns |= {figure.name: [] for figure in IN_WINDOWS}
    for source_id in sorted({source_id for source_id, _ in windows}):
        begins = {w: to_minute(since[w]) for owner, w in windows if owner == source_id}
        minutes = minute_history.packed(
            connection, [source_id], min(begins.values()), to_minute(through) + 1
        )
        if not len(minutes):
            continue
        for window, first in begins.items():
            begin = int(np.searchsorted(minutes.minutes.minute, first))
            columns["packed_sources"].append(source_id)
            columns["packed_windows"].append(window)
            for figure in IN_WINDOWS:
                columns[figure.name].append(exact(minutes.closed(figure)[begin:]))
    return columns


def between(
    connection: psycopg.Connection[Any], source_id: int, cuts: Sequence[int]
) -> dict[str, Any]:
    """Add up what is packed of a source between cuts (minutes, ascending).

    By ``packed_from``, the cut at which it begins, and the names of figures.
    """
    columns: dict[str, list[Any]] = {"packed_from": []}
    columns |= {figure.name: [] for figure in IN_WINDOWS}
    if not cuts:
        return columns
    packed_minutes = minute_history.packed(connection, [source_id], cuts[0], cuts[-1])
    sums = {figure.name: packed_minutes.closed(figure) for figure in IN_WINDOWS}
    places = np.searchsorted(packed_minutes.minutes.minute, cuts).tolist()
    for first, (low, high) in zip(cuts[:-1], pairwise(places), strict=True):
        if low < high:
            columns["packed_from"].append(first)
            for name, column in sums.items():
                columns[name].append(exact(column[low:high]))
    return columns
