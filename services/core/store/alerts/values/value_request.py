"""Which values are asked for, of which thresholds, in which minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from services.core.accounting.alerting.measures.measure import Measure
from services.core.store.registry.watch_plan import Watched, WatchPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueRequest:
    """Values of some thresholds of a facility, from ``first`` to ``last``, both included."""

    connection: psycopg.Connection[Any]
    facility_id: int
    plan: WatchPlan
    #: thresholds by measure, each with its row in the values
    thresholds: Mapping[Measure, Sequence[tuple[int, Watched]]]
    first: int
    last: int
