"""From series of sources to values of thresholds, which watch one source or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.core.accounting.alerting.measures.values import Booleans, Floats, Values


class SourceThreshold(NamedTuple):
    """A threshold on sources, as far as its values depend on it; thousands are made in a tick."""

    #: its row in the values
    row: int
    #: the rows of its sources in their series
    sources: Sequence[int]
    is_projected: bool
    budget_kg: float | None


class SourceGroups:
    """Thresholds of one measure and window: those of one source, and those of several."""

    def __init__(
        self, thresholds: Sequence[SourceThreshold], *, window: str, retired: Booleans
    ) -> None:
        """Sort the thresholds; ``retired``: by row of a source, whether it is."""
        #: empty: the measure has none
        self.window = window
        single = [each for each in thresholds if len(each.sources) == 1]
        self._rows = np.array([each.row for each in single], dtype=np.int64)
        self._sources = np.array([each.sources[0] for each in single], dtype=np.int64)
        self._groups = [
            (each.row, np.array(each.sources, dtype=np.int64))
            for each in thresholds
            if len(each.sources) > 1
        ]
        self._retired = retired
        self._thresholds = thresholds
        self.projected_rows = np.array(
            [each.row for each in thresholds if each.is_projected], dtype=np.int64
        )

    def put_sum(self, into: Floats, of_source: Floats, *, active_only: bool = False) -> None:
        """Put each threshold's sum over its sources; unknown where all of them are."""
        into[self._rows] = of_source[self._sources]
        for row, sources in self._groups:
            of_group = of_source[sources[~self._retired[sources]] if active_only else sources]
            known = ~np.isnan(of_group)
            into[row] = np.where(
                known.any(axis=0), np.where(known, of_group, 0.0).sum(axis=0), np.nan
            )

    def put_mean(self, into: Floats, of_source: Floats) -> None:
        """Put the mean over the sources that are not retired."""
        into[self._rows] = of_source[self._sources]
        for row, sources in self._groups:
            active = sources[~self._retired[sources]]
            if active.size:
                into[row] = np.nan_to_num(of_source[active]).mean(axis=0)

    def put_any(self, into: Booleans, of_source: Booleans) -> None:
        """Put whether something holds for any source."""
        into[self._rows] = of_source[self._sources]
        for row, sources in self._groups:
            into[row] = of_source[sources].any(axis=0)

    def divide_by_budgets(self, values: Values) -> None:
        """Turn masses into shares of their budgets."""
        for each in self._thresholds:
            for part in (values.value, values.ends, values.rise):
                part[each.row] /= each.budget_kg or 1.0
