"""Form the means of pollutants again: what is stored is what the readings give."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import psycopg

from services.aggregator import close_pollutants
from services.core.accounting.pollutants.means import PollutantMean
from services.core.store.emissions import pollutant_means
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import EPOCH, MINUTE


def wrong(
    connection: psycopg.Connection[Any],
    plan: FacilityPlan,
    source_id: int,
    hours: tuple[int, int],
    left_alone: Collection[int],
) -> Iterator[tuple[int, str]]:
    """Return the hours in which a mean is missing or is not what its readings give.

    ``hours``: first and last since the epoch; those that are ``left_alone`` are not looked at.
    """
    source = plan.sources.get(source_id)
    bounds = None
    if source is not None and source.pollutants:
        bounds = pollutant_means.bounds(connection, source_id)
    if source is None or bounds is None:
        return
    first, last = max(hours[0], bounds[0]), min(hours[1], bounds[1])
    asked = set(range(first, last + 1)) - set(left_alone)
    stored = pollutant_means.stored(connection, source_id, first, last)
    have = {minute // 60 for _, minute in stored}
    asked -= close_pollutants.unmeasured(connection, plan, source, asked - have)
    if not asked:
        return
    wanted = sorted(asked)
    for name, mean in close_pollutants.means(connection, plan, source, wanted):
        was = stored.get((name, mean.first_minute))
        if was != mean:
            begins = EPOCH + mean.first_minute * MINUTE
            differs = f"{_description(was)} and by readings {_description(mean)}"
            yield mean.first_minute // 60, f"the mean of {name} from {begins:%H:%MZ} on {differs}"


def _description(mean: PollutantMean | None) -> str:
    if mean is None:
        return "is not there"
    value = "no value" if mean.mean_mg_m3 is None else f"{mean.mean_mg_m3:g} mg/Nm3"
    mass = "no mass" if mean.mass_ug is None else f"{mean.mass_ug / 1e9:g} kg"
    return f"has {value} and {mass} ({mean.verdict})"
