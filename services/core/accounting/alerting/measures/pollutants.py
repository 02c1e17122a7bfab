"""Measures of the pollutants of stacks, by how they keep their limits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from services.core.accounting.alerting.measures.measure import Measure, Subject
from services.core.accounting.alerting.measures.values import Floats, Integers
from services.core.accounting.pollutants.compliance import LimitYear
from services.core.timeline.instants import DAY_MINUTES


class PollutantMeasure(Measure):
    """A measure whose values follow from the means of a pollutant in a calendar year."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({"source"})
    facility_wide = False
    has_pollutant = True
    fixed_reach_minutes = 366 * DAY_MINUTES

    @abstractmethod
    def values(self, limits: Sequence[LimitYear], minutes: Integers) -> Floats:
        """Return the value in each minute of a year; NaN where no limit is in force in it."""


class Allowance(PollutantMeasure):
    """Share of what limits of a share of the means allow in the year that is used up.

    It is that of the limit of which the greatest share is used. Where no mean may exceed a limit,
    each that does counts one more than all of it.
    """

    name = "allowance"
    unit = "ratio"
    unit_text = "a share from 0 to 1"
    is_share = True

    def values(self, limits: Sequence[LimitYear], minutes: Integers) -> Floats:
        """Return the greatest share that is used of any limit."""
        used = [limit.used(minutes) for limit in limits if limit.in_force is not None]
        return np.maximum.reduce(used) if used else np.full(minutes.size, np.nan)


MEASURES: Final = (Allowance(),)
