"""Series out of stored totals: a sample at the end of each minute, of minutes or of earlier hours.

An hour is told as 60 minutes of its mean, so that samples are as far apart however old they are. A
minute of which nothing is known has no sample, except those of shares of time, which are 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.api.models.emission_table import ListedSource
from services.api.prometheus.labels import NAME, Labels, labels_of
from services.api.prometheus.metrics import COUNTERS, COVERAGE, METRICS, RATES, Metric
from services.api.prometheus.values import Floats, Integers, Samples
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import EmissionColumns
from services.core.timeline.instants import HOUR_MS, MINUTE_US

_UG_PER_KG: Final = 1e9
#: Over less no rate is told.
_SECOND_MS: Final = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Totals of the sources in buckets, which are minutes or hours."""

    buckets: Buckets
    columns: EmissionColumns


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredTotals:
    """What is known of sources in a time, from which their series follow."""

    sources: Sequence[ListedSource]
    #: hours, then minutes; either may be empty
    parts: Sequence[Part]
    #: micrograms before the first bucket, of each source, by mass
    before_ug: Mapping[str, Sequence[int]]
    #: by source, whether it is active: of one that is not, what is unknown is no gap
    in_force: Sequence[bool]
    #: by source, when anything was first known of its facility
    since_us: Sequence[int]


def source_labels(listed: ListedSource) -> Mapping[str, str]:
    """Return the labels of a source's series."""
    return {
        "facility": listed.facility,
        "source": listed.source.slug,
        "scope": str(listed.source.scope),
    }


def all_labels(sources: Sequence[ListedSource]) -> Iterator[Labels]:
    """Return the labels of every series that sources have."""
    for metric in METRICS:
        for listed in sources:
            yield labels_of({NAME: metric.name, **source_labels(listed)})


def series_of_totals(totals: StoredTotals, metric: Metric) -> list[Samples]:
    """Return the series of a metric, one for each source."""
    return [
        Samples(
            labels_of({NAME: metric.name, **source_labels(listed)}),
            *_samples(totals, metric, index),
        )
        for index, listed in enumerate(totals.sources)
    ]


def _samples(totals: StoredTotals, metric: Metric, source: int) -> tuple[Integers, Floats]:
    times: list[Integers] = [np.zeros(0, dtype=np.int64)]
    values: list[Floats] = [np.zeros(0)]
    before_ug = totals.before_ug[metric.figure][source] if metric in COUNTERS else 0
    for part in totals.parts:
        if not len(part.buckets):
            continue
        its = _OfSource(part, source, len(totals.sources))
        known = its.known
        if metric in COUNTERS:
            numbers, before_ug = _counted(its, metric, before_ug)
        elif metric in RATES:
            known = known & (its.known_ms >= _SECOND_MS)
            numbers = its.spread(_rates(its, metric))
        else:
            numbers = its.spread(_shares(its, metric))
            if totals.in_force[source]:
                known = part.buckets.begins_us >= totals.since_us[source]
        is_there = its.spread(known)
        times.append(its.ends_ms[is_there])
        values.append(numbers[is_there])
    return np.concatenate(times), np.concatenate(values)


class _OfSource:
    """What a part has of one source: arrays by bucket, spread to its minutes."""

    def __init__(self, part: Part, source: int, sources: int) -> None:
        def its(column: NDArray[Any]) -> NDArray[Any]:
            return column.reshape(len(part.buckets), sources)[:, source]

        columns = part.columns
        self.length_us = int(part.buckets.ends_us[0] - part.buckets.begins_us[0])
        self.minutes = self.length_us // MINUTE_US
        self.known = its(columns.known)
        self.masses_ug = {name: its(column) for name, column in columns.masses_ug.items()}
        self.methods_ms = {name: its(column) for name, column in columns.methods_ms.items()}
        self.covered_ms = its(columns.covered_ms)
        self.known_ms: Integers = np.sum(list(self.methods_ms.values()), axis=0)
        minute_us = np.arange(1, self.minutes + 1) * MINUTE_US
        self.ends_ms = ((part.buckets.begins_us[:, np.newaxis] + minute_us) // 1000).ravel()

    def spread(self, column: NDArray[Any]) -> NDArray[Any]:
        """Repeat what a bucket has for each of its minutes."""
        return np.repeat(column, self.minutes)


def _rates(its: _OfSource, metric: Metric) -> Floats:
    """Return kg/h: of a minute over the time that is known of it, as ``/v1/live``; of an hour all.

    An hour that is known in part is not scaled up, for nobody knows what its other minutes were.
    """
    time_ms = its.known_ms if its.minutes == 1 else np.full(its.known.size, its.length_us // 1000)
    mass_kg = its.masses_ug[metric.figure].astype(np.float64) / _UG_PER_KG
    return mass_kg * HOUR_MS / np.maximum(time_ms, 1)


def _counted(its: _OfSource, metric: Metric, before_ug: int) -> tuple[Floats, int]:
    """Return the sum at the end of each minute in kg, and at the end of all in micrograms.

    Whole micrograms are added up, so that a sum never depends on where an answer begins.
    """
    masses = its.masses_ug[metric.figure]
    masses = np.where(its.known, masses, 0)
    if before_ug + int(np.abs(masses).sum()) * its.minutes > np.iinfo(np.int64).max:
        masses = masses.astype(object)
    sums = before_ug + np.cumsum(masses)
    minute = np.arange(1, its.minutes + 1)
    parts = (sums - masses)[:, np.newaxis] + masses[:, np.newaxis] * minute // its.minutes
    return parts.ravel().astype(np.float64) / _UG_PER_KG, int(sums[-1])


def _shares(its: _OfSource, metric: Metric) -> Floats:
    if metric.figure == COVERAGE:
        time_ms = np.minimum(its.covered_ms, its.known_ms)
    else:
        time_ms = its.methods_ms[metric.figure]
    shares: Floats = np.minimum(1.0, time_ms / (its.length_us / 1000))
    return shares
