"""From series of sources to values of thresholds, which watch one source or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from services.core.accounting.alerting.measures.values import (
    SAME_MINUTE,
    Booleans,
    Floats,
    Integers,
    Values,
)
from services.core.accounting.pathway.paths import Path

#: A lesser allowance counts as so much, or a neutral year without a residual would divide by 0.
_LEAST_ALLOWED_KG: Final = 1.0


class SourceThreshold(NamedTuple):
    """A threshold on sources, as far as its values depend on it; thousands are made in a tick."""

    #: its row in the values
    row: int
    #: the rows of its sources in their series
    sources: Sequence[int]
    is_projected: bool
    budget_kg: float | None
    #: None: it is not compared with one, or there is none
    path: Path | None = None


class SourceGroups:
    """Thresholds of one measure and window: those of one source, and those of several."""

    def __init__(
        self, thresholds: Sequence[SourceThreshold], *, window: str, retired: Booleans
    ) -> None:
        """Sort the thresholds; ``retired``: by row of a source, whether it is."""
        #: empty: the measure has none
        self.window = window
        single = [threshold for threshold in thresholds if len(threshold.sources) == 1]
        self._rows = np.array([threshold.row for threshold in single], dtype=np.int64)
        self._sources = np.array([threshold.sources[0] for threshold in single], dtype=np.int64)
        self._groups = [
            (threshold.row, np.array(threshold.sources, dtype=np.int64))
            for threshold in thresholds
            if len(threshold.sources) > 1
        ]
        self._retired = retired
        self._thresholds = thresholds
        self.projected_rows = np.array(
            [threshold.row for threshold in thresholds if threshold.is_projected], dtype=np.int64
        )

    def put_sum(self, target: Floats, of_source: Floats, *, active_only: bool = False) -> None:
        """Put each threshold's sum over its sources; unknown where all of them are."""
        target[self._rows] = of_source[self._sources]
        for row, sources in self._groups:
            of_group = of_source[sources[~self._retired[sources]] if active_only else sources]
            known = ~np.isnan(of_group)
            target[row] = np.where(
                known.any(axis=0), np.where(known, of_group, 0.0).sum(axis=0), np.nan
            )

    def put_oldest(self, target: Integers, minutes: Integers, of_source: Floats) -> None:
        """Put the oldest of the minutes that known values of active sources are of."""
        target[self._rows] = minutes[self._sources]
        for row, sources in self._groups:
            active = sources[~self._retired[sources]]
            known = ~np.isnan(of_source[active])
            target[row] = np.where(known, minutes[active], SAME_MINUTE).min(
                axis=0, initial=SAME_MINUTE
            )

    def put_mean(self, target: Floats, of_source: Floats) -> None:
        """Put the mean over the sources that are not retired."""
        target[self._rows] = of_source[self._sources]
        for row, sources in self._groups:
            active = sources[~self._retired[sources]]
            if active.size:
                target[row] = np.nan_to_num(of_source[active]).mean(axis=0)

    def put_any(self, target: Booleans, of_source: Booleans) -> None:
        """Put whether something holds for any source."""
        target[self._rows] = of_source[self._sources]
        for row, sources in self._groups:
            target[row] = of_source[sources].any(axis=0)

    def divide_by_budgets(self, values: Values) -> None:
        """Turn masses into shares of their budgets."""
        for threshold in self._thresholds:
            for part in (values.value, values.ends, values.rise):
                part[threshold.row] /= threshold.budget_kg or 1.0

    def divide_by_allowances(self, values: Values, years: Integers) -> None:
        """Turn masses into shares of what their paths allow; ``years``: of each minute."""
        for threshold in self._thresholds:
            allowed = np.full(years.size, np.nan)
            for year in np.unique(years):
                kg = None if threshold.path is None else threshold.path.allowed(int(year))
                if kg is not None:
                    allowed[years == year] = max(kg, _LEAST_ALLOWED_KG)
            for part in (values.value, values.ends, values.rise):
                part[threshold.row] /= allowed
