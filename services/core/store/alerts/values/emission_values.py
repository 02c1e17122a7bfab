"""Values of thresholds on sources, from rates and totals that are read once for all of them."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import NamedTuple

from services.core.accounting.alerting.measures.emissions import EmissionMeasure
from services.core.accounting.alerting.measures.source_groups import SourceGroups, SourceThreshold
from services.core.accounting.alerting.measures.values import Values
from services.core.accounting.pathway.paths import Path
from services.core.store.alerts.values.emission_series import EmissionSeries
from services.core.store.alerts.values.value_request import ValueRequest
from services.core.store.alerts.watch_series import Sources
from services.core.store.registry import pathways
from services.core.store.registry.pathways import StatedPath
from services.core.store.registry.watch_plan import Watched


class _Member(NamedTuple):
    """A threshold with its row in the values."""

    row: int
    watched: Watched
    #: that it is compared with
    path: Path | None


#: Thresholds of one mass by measure and window.
_Members = dict[tuple[EmissionMeasure, str | None], list[_Member]]


def fill(values: Values, request: ValueRequest) -> None:
    """Fill in the values of measures of emissions, mass by mass: most watch the same."""
    by_mass: dict[str, _Members] = defaultdict(lambda: defaultdict(list))
    for measure, members in request.thresholds.items():
        if isinstance(measure, EmissionMeasure):
            paths = _paths(request) if measure.follows_path else {}
            for row, watched in members:
                spec, path = watched.spec, paths.get(watched.spec.scope)
                mass = spec.mass if path is None else path.spec.figure
                member = _Member(row, watched, None if path is None else path.path)
                by_mass[mass][measure, spec.window].append(member)
    for mass, by_measure in by_mass.items():
        _fill(values, request, mass, by_measure)


def _paths(request: ValueRequest) -> dict[int | None, StatedPath]:
    """Read the facility's paths to net zero by scope: base years change without the registry."""
    paths = pathways.stated_paths(request.connection, [request.facility_id], None)
    return {path.spec.scope: path for path in paths}


def _fill(values: Values, request: ValueRequest, mass: str, by_measure: _Members) -> None:
    """Fill in the values of measures of one mass."""
    plan = request.plan
    ids = [
        source
        for members in by_measure.values()
        for member in members
        for source in member.watched.sources
    ]
    sources = Sources(set(ids))
    series = EmissionSeries(
        request.connection,
        sources,
        mass=mass,
        unknown_after=plan.unknown_after,
        rates_hold=plan.rates_hold,
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
                path,
            )
            for row, watched, path in members
        ]
        groups = SourceGroups(thresholds, window=window or "", retired=series.retired)
        measure.fill(values, groups, series)
