"""Values of thresholds on sources, from rates and totals that are read once for all of them."""

from __future__ import annotations

from collections import defaultdict

from services.aggregator.alerts.emission_series import EmissionSeries
from services.aggregator.alerts.value_request import ValueRequest
from services.core.accounting.alerting.measures.emissions import EmissionMeasure
from services.core.accounting.alerting.measures.source_groups import SourceGroups, SourceThreshold
from services.core.accounting.alerting.measures.values import Values
from services.core.store.alerts.watch_series import Sources


def fill(found: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of emissions."""
    plan = request.plan
    selected = [
        (row, each, each.measure)
        for row, each in request.rows
        if isinstance(each.measure, EmissionMeasure)
    ]
    if not selected:
        return
    sources = Sources({source for _, each, _ in selected for source in each.sources})
    series = EmissionSeries(
        request.connection,
        sources,
        unknown_after=plan.unknown_after,
        zone=plan.zone,
        first=request.first,
        last=request.last,
        windows={
            window
            for _, each, measure in selected
            for window in measure.windows_read(each.spec.window)
        },
    )
    alike: dict[tuple[EmissionMeasure, str], list[SourceThreshold]] = defaultdict(list)
    for row, each, measure in selected:
        alike[measure, each.spec.window or ""].append(
            SourceThreshold(
                row=row,
                sources=sources.rows(each.sources),
                is_projected=each.spec.is_projected,
                budget_kg=each.spec.budget,
            )
        )
    for (measure, window), thresholds in alike.items():
        measure.fill(found, SourceGroups(thresholds, window=window, retired=series.retired), series)
