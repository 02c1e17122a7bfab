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


def fill(found: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of emissions."""
    plan = request.plan
    alike: dict[tuple[EmissionMeasure, str | None], list[tuple[int, Watched]]] = defaultdict(list)
    for measure, members in request.thresholds.items():
        if isinstance(measure, EmissionMeasure):
            for row, each in members:
                alike[measure, each.spec.window].append((row, each))
    if not alike:
        return
    ids = [source for members in alike.values() for _, each in members for source in each.sources]
    sources = Sources(set(ids))
    series = EmissionSeries(
        request.connection,
        sources,
        unknown_after=plan.unknown_after,
        zone=plan.zone,
        first=request.first,
        last=request.last,
        windows={each for measure, window in alike for each in measure.windows_read(window)},
    )
    # looked up all at once: a facility may have thousands of thresholds
    source_rows = iter(sources.rows(ids).tolist())
    for (measure, window), members in alike.items():
        thresholds = [
            SourceThreshold(
                row,
                list(islice(source_rows, len(each.sources))),
                measure.is_cumulative and each.spec.is_projected,
                each.spec.budget,
            )
            for row, each in members
        ]
        groups = SourceGroups(thresholds, window=window or "", retired=series.retired)
        measure.fill(found, groups, series)
