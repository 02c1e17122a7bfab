"""What a tick changed: from which minute on limits are to be judged again, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.core.store.emissions.minute_changes import Changes

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Taken note of as the tick goes on; nothing is made of it where nobody asks."""

    #: sources, minutes of them, and why
    _changes: list[tuple[Integers, Integers, Mapping[int, str]]] = field(default_factory=list)
    #: first and last changed minutes, by channel
    channels: dict[int, tuple[int, int]] = field(default_factory=dict)

    def note(self, changes: Changes, reasons: Mapping[int, str]) -> None:
        """Take note of changed minutes of sources."""
        if len(changes):
            columns = changes.columns
            self._changes.append((columns["sources"], columns["minutes"], reasons))

    def note_span(self, source: int, first: int, last: int, reason: str) -> None:
        """Take note of a source's minutes from ``first`` to ``last`` that changed."""
        ends = np.array([first, last], dtype=np.int64)
        self._changes.append((np.full(2, source), ends, {source: reason}))

    @property
    def sources(self) -> dict[int, tuple[int, int]]:
        """First and last changed minutes, by source."""
        if not self._changes:
            return {}
        source = np.concatenate([sources for sources, _, _ in self._changes])
        minute = np.concatenate([minutes for _, minutes, _ in self._changes])
        ids, of = np.unique(source, return_inverse=True)
        first, last = _extreme(minute, of, ids.size)
        ends = zip(first.tolist(), last.tolist(), strict=True)
        return dict(zip(ids.tolist(), ends, strict=True))

    @property
    def reasons(self) -> dict[int, str]:
        """Why each source changed; what came first caused the rest."""
        found: dict[int, str] = {}
        for sources, _, reasons in self._changes:
            for source in np.unique(sources).tolist():
                if source in reasons:
                    found.setdefault(source, reasons[source])
        return found


def _extreme(minute: Integers, of: Integers, size: int) -> tuple[Integers, Integers]:
    first = np.full(size, np.iinfo(np.int64).max)
    last = np.full(size, np.iinfo(np.int64).min)
    np.minimum.at(first, of, minute)
    np.maximum.at(last, of, minute)
    return first, last
