"""Let minutes follow a new factor that their hours and windows have already.

Rows, the newest first, and then packed days that have a figure for each hour to follow: those are
packed anew. Until then readers see both with the new masses.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psycopg

from services.core.store.emissions import cold_minutes, deferred_minutes, minute_rows
from services.core.store.registry.plan import FacilityPlan
from services.core.timeline.instants import DAY_MINUTES

#: Rows that follow in one tick, a fraction of a second's work.
_MINUTES: Final = 20_000

#: The same of packed days.
_DAYS: Final = 50


def step(connection: psycopg.Connection[Any], plan: FacilityPlan) -> bool:
    """Let the newest minutes follow that wait; return whether any did."""
    if deferred_minutes.step(connection, plan.id, _MINUTES, plan.set_aside):
        return True
    days = deferred_minutes.packed_by_hour(connection, plan.id, _DAYS, plan.set_aside)
    if not days:
        return False
    keys = [minute_rows.key(np.array([i]), np.array([d * DAY_MINUTES])) for i, d in sorted(days)]
    cold = cold_minutes.read(connection, np.concatenate(keys))
    if cold is not None:
        cold_minutes.write(connection, cold, cold.rows(), plan)
    return True
