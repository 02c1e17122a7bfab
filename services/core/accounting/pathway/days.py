"""What sources emitted day by day, and what that comes to in years and in sums of 365 days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.pathway.peak import DAYS, LEAST_COVERAGE, rolling
from services.core.accounting.uncertainty import Component, Part, band

Floats = NDArray[np.float64]

#: What makes a mass of the days from the first to the last uncertain; None: it is not stated.
Components = Callable[[date, date], tuple[Component, ...] | None]

_DAY_MS: Final = 86_400_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownMass:
    """A mass, and how much of the time is known."""

    kg: float
    #: of the time of the sources of which anything is known in it
    known_share: float
    #: half the 95 % interval; None: a source does not state its uncertainty
    half_kg: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DailyMasses:
    """Masses of sources; shapes are (sources, days)."""

    #: the first day
    first: date
    #: 0 where nothing is known
    kg: Floats
    #: the time that the mass stands for
    known_ms: Floats
    #: of each day, so far
    day_ms: Floats
    #: days that are over
    whole_days: int
    #: by source
    components: Sequence[Components]

    def of_year(self, year: int) -> KnownMass | None:
        """Return what is known of a calendar year; None: nothing is."""
        begins, ends = (
            date(y, 1, 1).toordinal() - self.first.toordinal() for y in (year, year + 1)
        )
        low, high = max(0, begins), min(self.day_ms.size, ends)
        if high <= low:
            return None
        # the days before the first one are of the year, too
        length_ms = float(self.day_ms[low:high].sum()) + (low - begins) * _DAY_MS
        known = self.known_ms[:, low:high].sum(axis=1)
        heard = int((known > 0).sum())
        if not heard:
            return None
        return KnownMass(
            kg=float(self.kg[:, low:high].sum()),
            known_share=min(1.0, float(known.sum()) / (heard * length_ms)),
            half_kg=self.half_kg(low, high),
        )

    def half_kg(self, low: int, high: int) -> float | None:
        """Return half the 95 % interval of days, the last one excluded; None: it is not stated."""
        parts = []
        first = self.first.toordinal()
        for source, components in enumerate(self.components):
            if not self.known_ms[source, low:high].any():
                continue
            stated = components(date.fromordinal(first + low), date.fromordinal(first + high - 1))
            if stated is None:
                return None
            parts.append(Part(kg=float(self.kg[source, low:high].sum()), components=stated))
        return band(parts).half_kg

    @cached_property
    def rolling_kg(self) -> Floats:
        """Sums of the 365 days that end with each day that is over."""
        return rolling(self.kg[:, : self.whole_days].sum(axis=0))

    @cached_property
    def rolling_known(self) -> Floats:
        """How much of the time of these sums is known, of the sources that any is known of."""
        known = np.array([rolling(row) for row in self.known_ms[:, : self.whole_days]])
        if not known.size:
            return np.zeros(self.whole_days)
        heard = np.maximum(1, (known > 0).sum(axis=0))
        return np.asarray(np.nan_to_num(known).sum(axis=0) / (heard * DAYS * _DAY_MS))

    def half_of_sum(self, day: int) -> float | None:
        """Return half the 95 % interval of the 365 days that end with a day."""
        return self.half_kg(day - DAYS + 1, day + 1)

    def newest_sums(self) -> tuple[float | None, float | None]:
        """Return the newest sum of 365 days and the one before; None: too little is known."""
        kg, known = self.rolling_kg, self.rolling_known
        newest, before = (
            float(kg[day]) if day >= DAYS - 1 and known[day] >= LEAST_COVERAGE else None
            for day in (self.whole_days - 1, self.whole_days - 1 - DAYS)
        )
        return newest, before
