"""Makes rows of what is packed again, of each kind of history by its own statements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np
import psycopg

from services.core.store.packing.days import DamagedDayError, Integers


@dataclass(frozen=True, kw_only=True, slots=True)
class Openable:
    """How packed days, or months, of one kind are opened."""

    #: SQL of those that are packed of pairs of owner and day: id, owner, day, and the columns
    packed: LiteralString
    #: SQL that takes these ids, owners and days, and the arrays of what was in the columns
    unpack: LiteralString
    #: the arrays, of owner, day and columns
    arrays: Callable[..., tuple[Any, ...]]
    #: the error that a damaged day is, of owner, day and reason
    damaged: Callable[[int, int, str], DamagedDayError]


def open_packed(
    connection: psycopg.Connection[Any], kind: Openable, owners: Integers, days: Integers
) -> list[tuple[int, int]]:
    """Make rows of packed days again, pairs of owner and day; return the packed rows' pairs.

    :raises DamagedDayError: one of them is not what was packed.
    """
    pairs = np.unique(np.column_stack((owners, days)).astype(np.int64), axis=0)
    packed = connection.execute(
        kind.packed,
        (np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])),
        binary=True,
    ).fetchall()
    for pack_id, owner, day, *columns in packed:
        arrays = kind.arrays(owner, day, *columns)
        try:
            connection.execute(kind.unpack, (pack_id, owner, day, *arrays))
        except psycopg.errors.DataCorrupted as error:
            raise kind.damaged(owner, day, "they are not what was packed") from error
    return [(owner, day) for _, owner, day, *_ in packed]
