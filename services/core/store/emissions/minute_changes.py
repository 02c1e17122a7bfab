"""What is computed of minutes, and by how much minutes changed: the arrays that totals follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.schema.figures import FIGURES, Figure


def packed(figures: Iterable[Figure]) -> PackedRows:
    """Return how changes of some figures are packed: sources, minutes, has_activity, figures."""
    return PackedRows(
        sources="int4",
        minutes="int4",
        has_activity="bool",
        **{figure.name: figure.type for figure in figures},
    )


_ALL: Final = packed(FIGURES)


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
        return cls(columns=_ALL.columns(None))

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray[Any]]) -> Changes:
        """Return changes of these columns; figures that are not among them changed by 0."""
        nothing = _ALL.columns(None)
        size = columns["sources"].size
        return cls(
            columns={
                name: columns.get(name, np.zeros(size, dtype=empty.dtype))
                for name, empty in nothing.items()
            }
        )

    def __len__(self) -> int:
        return len(self.columns["sources"])

    def hours(self) -> dict[int, set[int]]:
        """Return the hours since the epoch that hold a changed minute, by source."""
        hours: dict[int, set[int]] = {}
        pairs = np.unique(
            np.stack((self.columns["sources"], self.columns["minutes"] // 60)), axis=1
        )
        for source_id, hour in pairs.T.tolist():
            hours.setdefault(source_id, set()).add(hour)
        return hours

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
