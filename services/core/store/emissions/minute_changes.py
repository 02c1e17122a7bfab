"""What is computed of minutes, and by how much minutes changed: the arrays that totals follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import loaded
from services.core.store.schema.figures import FIGURES, Figure, names

#: Columns of changes, with their types as they are sent.
_COLUMNS: Mapping[str, str] = {
    "sources": ">i4",
    "minutes": ">i4",
    "has_activity": "?",
    **{figure.name: {"int8": ">i8", "int4": ">i4"}[figure.type] for figure in FIGURES},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMinutes:
    """Computed minutes of sources, in the database's integers; element i of each is a minute."""

    source_ids: NDArray[np.int64]
    minutes: NDArray[np.int64]
    #: by name what is computed; an amount is 0 where the sources have none
    figures: Mapping[str, NDArray[np.int64]]
    #: the amount before it was rounded; None where the sources have none
    activity: NDArray[np.float64] | None
    #: masses that cannot be: nothing is told of such a minute
    beyond: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """How much each minute that differed has changed, column by column.

    ``activity_n`` says something only where ``has_activity``.
    """

    columns: Mapping[str, NDArray[Any]]

    @classmethod
    def none(cls) -> Changes:
        """Return no change at all."""
        return cls.of_arrays([None] * 3, ())

    @classmethod
    def of_arrays(cls, sent: Sequence[bytes | None], figures: Iterable[Figure]) -> Changes:
        """Return changes: sources, minutes, has_activity, figures, as ``array_send`` gave them.

        Other figures changed by 0.
        """
        wanted = ("sources", "minutes", "has_activity", *names(figures))
        found = {
            name: loaded(column, _COLUMNS[name]) for name, column in zip(wanted, sent, strict=True)
        }
        size = found["sources"].size
        return cls(
            columns={
                name: found[name]
                if name in found
                else np.zeros(size, dtype=np.dtype(element).newbyteorder("="))
                for name, element in _COLUMNS.items()
            }
        )

    def __len__(self) -> int:
        return len(self.columns["sources"])

    def hours(self) -> dict[int, set[int]]:
        """Return the hours since the epoch that hold a changed minute, by source."""
        found: dict[int, set[int]] = {}
        pairs = np.unique(
            np.stack((self.columns["sources"], self.columns["minutes"] // 60)), axis=1
        )
        for source_id, hour in pairs.T.tolist():
            found.setdefault(source_id, set()).add(hour)
        return found

    def split(self, hours: Mapping[int, Collection[int]]) -> tuple[Changes, Changes]:
        """Return the changes within the hours (since the epoch, by source), and the others."""
        inside = np.array(
            [
                minute // 60 in hours.get(source_id, ())
                for source_id, minute in zip(
                    self.columns["sources"].tolist(), self.columns["minutes"].tolist(), strict=True
                )
            ],
            dtype=np.bool_,
        )
        return self.where(inside), self.where(~inside)

    def where(self, chosen: NDArray[np.bool_]) -> Changes:
        """Return those chosen."""
        return Changes(columns={name: column[chosen] for name, column in self.columns.items()})

    def plus(self, other: Changes) -> Changes:
        """Return both sets of changes as one."""
        return Changes(
            columns={
                name: np.concatenate((column, other.columns[name]))
                for name, column in self.columns.items()
            }
        )
