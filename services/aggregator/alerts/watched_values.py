"""The values that thresholds watch, minute by minute; shapes are (thresholds, minutes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.aggregator.alerts import channel_values, device_values
from services.aggregator.alerts.emission_series import MOST_BACK, EmissionSeries
from services.core.accounting.alerting.verdicts import at_the_end
from services.core.store.alerts.watch_series import Sources
from services.core.store.registry.watch_plan import Watched, WatchPlan
from services.core.timeline.windows import fixed_bounds

Floats = NDArray[np.float64]

#: At what rate a window is carried on to its end: that of the newest minute for an hour, for longer
#: ones the mean of a window that a moment's load does not sway.
_PRESENT = {"hour": None, "today": "1h", "month": "24h", "year": "24h"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What is judged; NaN is unknown."""

    value: Floats
    #: a part of the value is unknown
    incomplete: NDArray[np.bool_]
    #: what the window will end with at the present rate; NaN where that is not asked for
    ends: Floats
    #: how fast the value rises, per minute, where that is asked for
    rise: Floats

    @classmethod
    def unknown(cls, thresholds: int, minutes: int) -> Values:
        """Nothing is known of anything."""
        shape = (thresholds, minutes)
        return cls(
            value=np.full(shape, np.nan),
            incomplete=np.zeros(shape, dtype=bool),
            ends=np.full(shape, np.nan),
            rise=np.full(shape, np.nan),
        )


def values(
    connection: psycopg.Connection[Any],
    facility_id: int,
    plan: WatchPlan,
    chosen: Sequence[int],
    first: int,
    last: int,
) -> Values:
    """The values of the thresholds with the indices ``chosen``, ``first`` to ``last`` included."""
    found = Values.unknown(len(chosen), last - first + 1)
    kinds: dict[str, list[tuple[int, Watched]]] = {}
    for row, index in enumerate(chosen):
        watched = plan.thresholds[index]
        kind = "emissions" if watched.spec.measure in _OF_EMISSIONS else watched.spec.measure
        kinds.setdefault(kind, []).append((row, watched))
    if emissions := kinds.get("emissions"):
        _emissions(connection, plan, emissions, found, first, last)
    channels = [*kinds.get("value", ()), *kinds.get("average", ())]
    for row, of_channel in channel_values.values(connection, plan.channels, channels, first, last):
        found.value[row] = of_channel
    for row, of_device in device_values.silence(
        connection, plan, kinds.get("silence", ()), first, last
    ):
        found.value[row] = of_device
    for row, count in device_values.quarantined(
        connection, facility_id, kinds.get("quarantine", ()), first, last
    ):
        found.value[row] = count
    return found


_OF_EMISSIONS = {"rate", "total", "coverage", "budget"}


def _emissions(
    connection: psycopg.Connection[Any],
    plan: WatchPlan,
    watched: Sequence[tuple[int, Watched]],
    found: Values,
    first: int,
    last: int,
) -> None:
    sources = Sources({source for _, each in watched for source in each.sources})
    windows = {each.spec.window for _, each in watched if each.spec.window is not None}
    present = {_PRESENT[w] for w in windows if w in _PRESENT}
    series = EmissionSeries(
        connection,
        sources,
        unknown_after=plan.unknown_after,
        zone=plan.zone,
        first=first,
        last=last,
        windows={*windows, *(each for each in present if each is not None)},
    )
    classes: dict[tuple[str, str | None], list[tuple[int, Watched]]] = {}
    for row, each in watched:
        classes.setdefault((each.spec.measure, each.spec.window), []).append((row, each))
    retired = np.array([plan.unknown_after.get(s) is None for s in sources.ids], dtype=bool)
    unknown = np.isnan(series.rate_kg_h) & ~retired[:, None]
    for (measure, window), members in classes.items():
        of_class = _Class(members, sources, retired)
        if measure == "rate":
            of_class.put(found.value, series.rate_kg_h, active_only=True)
            of_class.put_any(found.incomplete, unknown)
            continue
        assert window is not None  # noqa: S101 - every other measure has one
        if measure == "coverage":
            totals = series.totals(window, back=MOST_BACK)
            of_class.put_mean(found.value, totals.covered_ms / (60_000.0 * totals.minutes))
            continue
        totals = series.totals(window)
        of_class.put(found.value, totals.kg)
        of_class.put_any(found.incomplete, unknown)
        if window in _PRESENT:
            _project(series, of_class, found, plan, window, np.arange(first, last + 1))
        if measure == "budget":
            of_class.divide(found)


def _project(
    series: EmissionSeries,
    of_class: _Class,
    found: Values,
    plan: WatchPlan,
    window: str,
    minutes: NDArray[np.int64],
) -> None:
    rate = series.rate_kg_h / 60.0
    mean_of = _PRESENT[window]
    if mean_of is not None:
        mean = series.totals(mean_of)
        covered = mean.covered_ms / 60_000.0
        rate = np.where(covered > 0, mean.kg / np.where(covered > 0, covered, 1.0), np.nan)
    left = np.array([fixed_bounds(window, int(m), plan.zone)[1] - 1 - m for m in minutes])
    rows = of_class.projected_rows
    rise = np.full_like(found.rise, np.nan)
    of_class.put(rise, rate, active_only=True)
    found.rise[rows] = rise[rows]
    found.ends[rows] = at_the_end(found.value[rows], rise[rows], left)


class _Class:
    """Thresholds of one measure and window: those of one source, and those of several."""

    def __init__(
        self,
        members: Sequence[tuple[int, Watched]],
        sources: Sources,
        retired: NDArray[np.bool_],
    ) -> None:
        single = [(row, each) for row, each in members if len(each.sources) == 1]
        self._rows = np.array([row for row, _ in single], dtype=np.int64)
        self._of = sources.rows([each.sources[0] for _, each in single])
        self._groups = [
            (row, sources.rows(each.sources)) for row, each in members if len(each.sources) > 1
        ]
        self._retired = retired
        self._members = members
        self.projected_rows = np.array(
            [row for row, each in members if each.spec.is_projected], dtype=np.int64
        )

    def put(self, into: Floats, of_source: Floats, *, active_only: bool = False) -> None:
        """Put each threshold's sum over its sources; unknown where all of them are."""
        into[self._rows] = of_source[self._of]
        for row, members in self._groups:
            of_group = of_source[members[~self._retired[members]] if active_only else members]
            known = ~np.isnan(of_group)
            into[row] = np.where(
                known.any(axis=0), np.where(known, of_group, 0.0).sum(axis=0), np.nan
            )

    def put_mean(self, into: Floats, of_source: Floats) -> None:
        """Put the mean over the sources that are still there."""
        into[self._rows] = of_source[self._of]
        for row, members in self._groups:
            active = members[~self._retired[members]]
            if active.size:
                into[row] = np.nan_to_num(of_source[active]).mean(axis=0)

    def put_any(self, into: NDArray[np.bool_], of_source: NDArray[np.bool_]) -> None:
        """Put whether it is so of any source."""
        into[self._rows] = of_source[self._of]
        for row, members in self._groups:
            into[row] = of_source[members].any(axis=0)

    def divide(self, found: Values) -> None:
        """Turn masses into shares of their budgets."""
        for row, each in self._members:
            for part in (found.value, found.ends, found.rise):
                part[row] /= each.spec.budget or 1.0
