"""Values of thresholds on sources, from rates and totals that are read once for all of them."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

from services.aggregator.alerts.emission_series import EmissionSeries
from services.aggregator.alerts.value_request import ValueRequest
from services.core.accounting.alerting.measures.emissions import EmissionMeasure
from services.core.accounting.alerting.measures.source_groups import SourceGroups, SourceThreshold
from services.core.accounting.alerting.measures.values import Values
from services.core.store.alerts.watch_series import Sources
from services.core.store.registry.watch_plan import Watched


def fill(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of emissions."""
    plan = request.plan
    by_measure: dict[tuple[EmissionMeasure, str | None], list[tuple[int, Watched]]] = defaultdict(
        list
    )
    for measure, members in request.thresholds.items():
        if isinstance(measure, EmissionMeasure):
            for row, watched in members:
                by_measure[measure, watched.spec.window].append((row, watched))
    if not by_measure:
        return
    ids = [
        source
        for members in by_measure.values()
        for _, watched in members
        for source in watched.sources
    ]
    sources = Sources(set(ids))
    series = EmissionSeries(
        request.connection,
        sources,
        unknown_after=plan.unknown_after,
        zone=plan.zone,
        first=request.first,
        last=request.last,
        windows={name for measure, window in by_measure for name in measure.windows_read(window)},
    )
    # looked up all at once: a facility may have thousands of thresholds
    source_rows = iter(sources.rows(ids).tolist())
    for (measure, window), members in by_measure.items():
        thresholds = [
            SourceThreshold(
                row,
                list(islice(source_rows, len(watched.sources))),
                measure.is_cumulative and watched.spec.is_projected,
                watched.spec.budget,
            )
            for row, watched in members
        ]
        groups = SourceGroups(thresholds, window=window or "", retired=series.retired)
        measure.fill(values, groups, series)
