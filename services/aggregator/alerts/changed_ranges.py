"""What a tick changed: from which minute on thresholds must be evaluated again, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.aggregator.invalidations import Invalidations
from services.core.store.emissions.minute_changes import Changes

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedRanges:
    """Changed minutes, collected as the tick goes on; nothing is computed until somebody asks."""

    #: sources, minutes of them, and why
    _changes: list[tuple[Integers, Integers, Mapping[int, str]]] = field(default_factory=list)
    _invalidations: list[Invalidations] = field(default_factory=list)
    #: minutes at which the first and last changed means of pollutants begin, by source
    means: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, changes: Changes, reasons: Mapping[int, str]) -> None:
        """Add changed minutes of sources."""
        if len(changes):
            columns = changes.columns
            self._changes.append((columns["sources"], columns["minutes"], reasons))

    def add_channels(self, changed: Invalidations) -> None:
        """Add changed minutes of channels."""
        self._invalidations.append(changed)

    def add_means(self, changed: Mapping[int, tuple[int, int]]) -> None:
        """Add changed means of the pollutants of sources."""
        for source, (first, last) in changed.items():
            before = self.means.get(source, (first, last))
            self.means[source] = (min(before[0], first), max(before[1], last))

    def add_range(self, source: int, first: int, last: int, reason: str) -> None:
        """Add a source's changed minutes from ``first`` to ``last``, both included."""
        ends = np.array([first, last], dtype=np.int64)
        self._changes.append((np.full(2, source), ends, {source: reason}))

    @property
    def channels(self) -> dict[int, tuple[int, int]]:
        """Return the first and last changed minutes, by channel."""
        bounds: dict[int, tuple[int, int]] = {}
        for changed in self._invalidations:
            bounds |= changed.bounds()
        return bounds

    @property
    def sources(self) -> dict[int, tuple[int, int]]:
        """Return the first and last changed minutes, by source."""
        if not self._changes:
            return {}
        source = np.concatenate([sources for sources, _, _ in self._changes])
        minute = np.concatenate([minutes for _, minutes, _ in self._changes])
        ids, row = np.unique(source, return_inverse=True)
        first, last = _bounds(minute, row, ids.size)
        ends = zip(first.tolist(), last.tolist(), strict=True)
        return dict(zip(ids.tolist(), ends, strict=True))

    @property
    def reasons(self) -> dict[int, str]:
        """Return why each source changed; the first reason caused the rest."""
        chosen: dict[int, str] = {}
        for sources, _, reasons in self._changes:
            for source in np.unique(sources).tolist():
                if source in reasons:
                    chosen.setdefault(source, reasons[source])
        return chosen


def _bounds(minute: Integers, row: Integers, size: int) -> tuple[Integers, Integers]:
    first = np.full(size, np.iinfo(np.int64).max)
    last = np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(first, row, minute)
    np.maximum.at(last, row, minute)
    return first, last
