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

#: Thresholds of one mass by measure and window, each with its row in the values.
_Members = dict[tuple[EmissionMeasure, str | None], list[tuple[int, Watched]]]


def fill(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of emissions, mass by mass: most watch the same."""
    by_mass: dict[str, _Members] = defaultdict(lambda: defaultdict(list))
    for measure, members in request.thresholds.items():
        if isinstance(measure, EmissionMeasure):
            for row, watched in members:
                spec = watched.spec
                by_mass[spec.mass][measure, spec.window].append((row, watched))
    for mass, by_measure in by_mass.items():
        _fill(values, request, mass, by_measure)


def _fill(values: Values, request: ValueRequest, mass: str, by_measure: _Members) -> None:
    """Fill in the values of measures of one mass."""
    plan = request.plan
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
        mass=mass,
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
