"""Progress that lies in the future was made by a clock that was ahead: it is put back.

Windows that stand at minutes to come would show nothing but the end of what is known, and hours
would be final before they are over. Windows are made anew from minutes, hours that are not due are
open again, and what the ledger says was known in the future is known now.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import structlog

from services.aggregator.close_hours import Judged
from services.core.store.emissions import hour_closing, hour_inputs
from services.core.store.emissions.hour_closing import HourVerdict
from services.core.store.registry.plan import FacilityPlan

log = structlog.get_logger()

_PUT_BACK = """
UPDATE facility_progress
SET carried_to = least(carried_to, %(before)s), rolled_to = NULL,
    judged_to = least(judged_to, %(before)s), sequence = sequence + 1
WHERE facility_id = %(facility)s
"""

_FORGET_WINDOWS = "DELETE FROM rolling_total WHERE source_id = ANY(%s) AND upto > %s"

_REOPEN = """
UPDATE emission_hour h SET final = false, code = NULL
FROM unnest(%(sources)s::int4[], %(lateness_s)s::float8[]) AS s(source_id, lateness_s)
WHERE h.source_id = s.source_id AND (h.final OR h.code IS NOT NULL)
  AND h.hour > %(now)s::timestamptz - make_interval(secs => 3600 + s.lateness_s)
RETURNING h.source_id, (extract(epoch FROM h.hour)::int8 / 3600)::int4
"""


def put_back(
    connection: psycopg.Connection[Any], plan: FacilityPlan, now: datetime
) -> tuple[Judged, dict[int, set[int]]]:
    """Put a facility's progress back to ``now``.

    Returns what taking back what closing added changes, and of which hours (since the epoch).
    """
    before = now.replace(second=0, microsecond=0)
    connection.execute(_PUT_BACK, {"facility": plan.id, "before": before})
    connection.execute(_FORGET_WINDOWS, ([*plan.sources, *plan.retired], before))
    lateness = {source.id: source.lateness_s for source in plan.sources.values()}
    lateness |= dict(plan.retired)
    reopened: dict[int, set[int]] = {}
    for source_id, hour in connection.execute(
        _REOPEN,
        {"sources": list(lateness), "lateness_s": list(lateness.values()), "now": now},
    ):
        reopened.setdefault(source_id, set()).add(hour)
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
    judged = Judged(adjustments=hour_closing.set_closing(connection, verdicts), verdicts=verdicts)
    return judged, reopened
