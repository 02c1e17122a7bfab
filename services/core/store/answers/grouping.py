"""Rows that are put together by a key, column by column: exact sums, and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.core.store.answers.buckets import Integers

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Booleans = NDArray[np.bool_]

_LARGEST: Final = 2**63 - 1

#: A record of columns, and of columns by name.
Columns = TypeVar("Columns", bound="DataclassInstance")


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the rows of all parts, of which there is one at least, one after the other."""
    if len(parts) == 1:
        return parts[0]
    return type(parts[0])(
        **{
            field.name: _joined([getattr(part, field.name) for part in parts])
            for field in fields(parts[0])
        }
    )


def _joined(columns: Sequence[Any]) -> Any:
    if isinstance(columns[0], Mapping):
        return {name: np.concatenate([part[name] for part in columns]) for name in columns[0]}
    return np.concatenate(columns)


class Groups:
    """Rows with the same key are one group; results are in ascending order of ``keys``."""

    def __init__(self, keys: Integers) -> None:
        self._order = np.argsort(keys, kind="stable")
        ordered = keys[self._order]
        is_first = np.ones(ordered.size, dtype=np.bool_)
        is_first[1:] = ordered[1:] != ordered[:-1]
        self._starts = np.flatnonzero(is_first)
        self.keys = ordered[self._starts]
        self.sizes = np.diff(self._starts, append=ordered.size)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Add up each group, exactly: as Python's integers where 64 bits might not hold a sum."""
        if not values.size:
            return values
        if values.dtype == np.bool_:
            values = values.astype(np.int64)
        if values.dtype != np.object_:
            largest = max(abs(int(values.max())), abs(int(values.min())))
            if largest * int(self.sizes.max()) > _LARGEST:
                values = values.astype(np.object_)
        return np.asarray(np.add.reduceat(values[self._order], self._starts))

    def largest(self, values: Integers) -> Integers:
        """Return the largest of each group."""
        return np.maximum.reduceat(values[self._order], self._starts) if values.size else values

    def any(self, values: Booleans) -> Booleans:
        """Return whether it is so in any row of each group."""
        return np.logical_or.reduceat(values[self._order], self._starts) if values.size else values

    def all(self, values: Booleans) -> Booleans:
        """Return whether it is so in every row of each group."""
        return np.logical_and.reduceat(values[self._order], self._starts) if values.size else values
