"""Measures of what sources emit: of one source, of a scope, or of the whole facility."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import numpy as np

from services.core.accounting.alerting.measures.measure import (
    BUDGETED,
    TOTALS,
    YEARLY,
    Measure,
    Subject,
    WindowRule,
)
from services.core.accounting.alerting.measures.source_groups import SourceGroups
from services.core.accounting.alerting.measures.values import Booleans, Floats, Integers, Values
from services.core.accounting.alerting.verdicts import projected_value

#: Windows that are projected to their end, and the window whose mean rate they are projected at;
#: None: the rate of the newest minute. A moment's load does not sway a mean.
_RATE_WINDOWS: Final = {"hour": None, "today": "1h", "month": "24h", "year": "24h"}

#: Coverage of a minute is complete so many minutes later, when the next reading has come.
COVERAGE_DELAY: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """A window in each minute, by source; NaN where there is no total yet."""

    kg: Floats
    #: what readings cover of the time that the mass stands for
    covered_ms: Floats
    #: the time that the mass stands for, with what a rule filled
    known_ms: Floats
    #: length of the window so far, in minutes
    minutes: Integers


class EmissionSeries(Protocol):
    """Rates and totals of one mass of sources; shapes are (sources, minutes)."""

    @property
    def rate_kg_h(self) -> Floats:
        """Rate of now, that of the newest known minute while it holds; NaN: unknown."""
        ...

    @property
    def newest_rate_kg_h(self) -> Floats:
        """Rate in the newest known minute; NaN: unknown for longer than data may be late."""
        ...

    @property
    def rate_minute(self) -> Integers:
        """That newest known minute."""
        ...

    @property
    def rate_unknown(self) -> Booleans:
        """Where the rate of now of a source that is not retired is unknown."""
        ...

    @property
    def unknown(self) -> Booleans:
        """Where it is so for longer than data may be late."""
        ...

    def totals(self, window: str, *, back: int = 0) -> Totals:
        """Return the window's total in each minute, or in that ``back`` before it.

        ``back``: COVERAGE_DELAY at most.
        """
        ...

    def minutes_left(self, window: str) -> Integers:
        """Return the whole minutes of a calendar's window after each minute."""
        ...

    def local_years(self) -> Integers:
        """Return the calendar year of each minute."""
        ...


class EmissionMeasure(Measure):
    """A measure whose values follow from the rates and totals of sources."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({"source", "scope"})

    def windows_read(self, window: str | None) -> Collection[str]:
        """Return the windows whose totals :meth:`fill` asks for."""
        return () if window is None else (window,)

    @abstractmethod
    def fill(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        """Fill the rows of thresholds, all of them of this measure."""


class Rate(EmissionMeasure):
    """Emission rate in the newest minute."""

    name = "rate"
    unit = "kg/h"
    unit_text = "kg/h of the figure"
    has_figure = True
    is_additive = True

    def fill(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        """Put the sum of the rates, and the oldest minute that one of them is of.

        A rate that holds no more is unknown at once. Until data is too late to come, that ends no
        alert and begins none.
        """
        thresholds.put_sum(values.value, series.rate_kg_h, active_only=True)
        thresholds.put_oldest(values.known_at, series.rate_minute, series.rate_kg_h)
        thresholds.put_any(values.incomplete, series.rate_unknown)
        thresholds.put_any(values.awaited, series.rate_unknown)
        is_lost = np.zeros_like(values.awaited)
        thresholds.put_any(is_lost, series.unknown)
        values.awaited[is_lost] = False


class Total(EmissionMeasure):
    """Mass emitted in a window, projected to its end where it has one."""

    name = "total"
    unit: ClassVar[str | None] = "kg"
    unit_text: ClassVar[str] = "kg of the figure"
    has_figure = True
    windows: ClassVar[WindowRule | None] = TOTALS
    is_additive = True
    is_cumulative = True

    def windows_read(self, window: str | None) -> Collection[str]:
        """Return the window, and the one whose mean rate it is projected at."""
        rate_window = _RATE_WINDOWS.get(window or "")
        return {name for name in (window, rate_window) if name is not None}

    def fill(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        """Put the sum of the totals, and what it will be at the window's end."""
        totals = series.totals(thresholds.window)
        thresholds.put_sum(values.value, totals.kg)
        thresholds.put_any(values.incomplete, series.unknown)
        thresholds.put_any(values.substituted, totals.known_ms > totals.covered_ms)
        if thresholds.window in _RATE_WINDOWS:
            self._project(values, thresholds, series)

    def _project(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        rate = series.newest_rate_kg_h / 60.0
        rate_window = _RATE_WINDOWS[thresholds.window]
        if rate_window is not None:
            mean = series.totals(rate_window)
            known = mean.known_ms / 60_000.0
            rate = np.where(known > 0, mean.kg / np.where(known > 0, known, 1.0), np.nan)
        rows = thresholds.projected_rows
        rise = np.full_like(values.rise, np.nan)
        thresholds.put_sum(rise, rate, active_only=True)
        values.rise[rows] = rise[rows]
        left = series.minutes_left(thresholds.window)
        values.ends[rows] = projected_value(values.value[rows], rise[rows], left)


class Coverage(EmissionMeasure):
    """Share of a window for which emissions are known."""

    name = "coverage"
    unit = "ratio"
    unit_text = "a share from 0 to 1"
    windows = TOTALS
    is_share = True

    def fill(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        """Put the mean of the sources' coverage."""
        totals = series.totals(thresholds.window, back=COVERAGE_DELAY)
        thresholds.put_mean(values.value, totals.covered_ms / (60_000.0 * totals.minutes))


class Budget(Total):
    """Mass emitted in a month or year, as a share of a budget."""

    name = "budget"
    unit = "ratio"
    unit_text = "a share from 0 to 1"
    windows = BUDGETED
    has_budget = True
    is_share = True

    def fill(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        """Put the totals, divided by their budgets."""
        super().fill(values, thresholds, series)
        thresholds.divide_by_budgets(values)


class Pathway(Total):
    """Mass emitted in a year, as a share of what the scope's path to net zero allows in it."""

    name = "pathway"
    unit = "ratio"
    unit_text = "a share from 0 to 1"
    subjects: ClassVar[frozenset[Subject]] = frozenset({"scope"})
    facility_wide = False
    has_figure = False
    windows = YEARLY
    is_share = True
    follows_path = True

    def fill(self, values: Values, thresholds: SourceGroups, series: EmissionSeries) -> None:
        """Put the totals, divided by the allowances of their years; unknown without a path."""
        super().fill(values, thresholds, series)
        thresholds.divide_by_allowances(values, series.local_years())


MEASURES: Final = (Rate(), Total(), Coverage(), Budget(), Pathway())
