"""What is computed of minutes, and by how much minutes changed: the arrays that totals follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.schema.figures import FIGURES, Figure, per_figure


def packed(figures: Iterable[Figure]) -> PackedRows:
    """Return how changes of some figures are packed: sources, minutes, has_activity, figures."""
    return PackedRows(
        sources="int4",
        minutes="int4",
        has_activity="bool",
        **{figure.name: figure.type for figure in figures},
    )


_ALL: Final = packed(FIGURES)

#: SQL of changes as rows ``d``; the parameters are the columns of :class:`Changes`.
CHANGES: LiteralString = f"""
unnest(%(sources)s::int4[], %(minutes)s::int4[], %(has_activity)s::bool[],
       {per_figure(FIGURES, "%({f})s::{f.type}[]")})
    AS d(source_id, minute, has_activity, {per_figure(FIGURES)})
"""


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

    def by_hour(self) -> Changes:
        """Return what the changes of each hour come to, as those of its first minute."""
        if not len(self):
            return self
        hours = self.columns["minutes"] // 60 * 60
        order = np.lexsort((hours, self.columns["sources"]))
        source, hour = self.columns["sources"][order], hours[order]
        begins = np.ones(order.size, dtype=np.bool_)
        begins[1:] = (source[1:] != source[:-1]) | (hour[1:] != hour[:-1])
        first = np.flatnonzero(begins)
        counts = self.columns["has_activity"][order]
        any_counts = np.logical_or.reduceat(counts, first)

        def total(figure: Figure) -> NDArray[Any]:
            changes = self.columns[figure.name][order]
            totals: NDArray[Any] = np.add.reduceat(changes, first)
            if not figure.nullable:
                return totals
            return np.where(any_counts, np.add.reduceat(changes * counts, first), totals)

        return Changes(
            columns={
                "sources": source[first],
                "minutes": hour[first],
                "has_activity": any_counts,
                **{figure.name: total(figure) for figure in FIGURES},
            }
        )

    def any_of(self, figures: Iterable[Figure]) -> NDArray[np.bool_]:
        """Return which change one of the figures."""
        changed: NDArray[np.bool_] = np.logical_or.reduce(
            [self.columns[figure.name] != 0 for figure in figures]
        )
        return changed

    def split(self, hours: Mapping[int, Collection[int]]) -> tuple[Changes, Changes]:
        """Return the changes within the hours (since the epoch, by source), and the others."""
        if not len(self):
            return self, self
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
        if chosen.all():
            return self
        return Changes(columns={name: column[chosen] for name, column in self.columns.items()})

    def plus(self, other: Changes) -> Changes:
        """Return both sets of changes as one."""
        if not (len(self) and len(other)):
            return self if len(self) else other
        return Changes(
            columns={
                name: np.concatenate((column, other.columns[name]))
                for name, column in self.columns.items()
            }
        )
