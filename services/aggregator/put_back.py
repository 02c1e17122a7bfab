"""Progress that lies in the future was made by a clock that was ahead: it is put back.

Windows that stand at minutes to come would show nothing but the end of what is known, and hours
would be final before they are over, as would means of pollutants. Windows are made anew from
minutes, hours and means that are not due are open again, and what the ledger says was known in the
future is known now. What was packed too early is rows again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import structlog

from services.aggregator.close_hours import Finalised
from services.core.store.emissions import (
    facility_progress,
    hour_closing,
    hour_inputs,
    pollutant_means,
    windows_unknown,
)
from services.core.store.emissions.hour_closing import HourVerdict
from services.core.store.emissions.packing import days
from services.core.store.registry.plan import FacilityPlan

log = structlog.get_logger()


def put_back(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime
) -> tuple[Finalised, dict[int, set[int]]]:
    """Put a facility's progress back to ``now``.

    Returns what taking back what closing added changes, and of which hours (since the epoch).
    """
    before = now.replace(second=0, microsecond=0)
    facility_progress.put_back(connection, plan.id, before)
    windows_unknown.forget_after(connection, [*plan.sources, *plan.retired], before)
    lateness = {source.id: source.lateness_s for source in plan.sources.values()}
    lateness |= dict(plan.retired)
    # before any of them is written: a minute that is packed must not be a row, too
    days.open_since(connection, list(lateness), now)
    pollutant_means.reopen(connection, lateness, now)
    reopened = hour_closing.reopen(connection, lateness, now)
    verdicts = []
    for source_id, hours in reopened.items():
        hour_inputs.forget(connection, source_id, hours=hours)
        verdicts += [
            HourVerdict(
                source_id=source_id, hour=hour, co2_ug=None, final=False, quality=None, code=None
            )
            for hour in sorted(hours)
        ]
    redated = hour_closing.redate(connection, list(lateness))
    log.warning(
        "progress lay in the future, put back",
        facility=plan.slug,
        now=now.isoformat(),
        reopened=sum(map(len, reopened.values())),
        redated=redated,
    )
    finalised = Finalised(
        adjustments=hour_closing.set_closing(connection, verdicts), verdicts=verdicts
    )
    return finalised, reopened
