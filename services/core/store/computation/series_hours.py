"""Give a plan the hours of the series that its sources count by; others go on as they are."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import psycopg

from services.core.accounting.series import ChannelRule
from services.core.store.computation.compute import AnyPlan
from services.core.store.computation.ranges import Ranges
from services.core.store.factor_series.methods import with_hours
from services.core.store.registry.plan import SourcePlan
from services.core.store.registry.plan_arrays import PlanArrays


class PlanWithSeries(AnyPlan, Protocol):
    """A plan that knows which of its sources count by series."""

    @property
    def with_series(self) -> Collection[int]:
        """Return the ids of those sources."""
        ...

    @property
    def as_of(self) -> datetime | None:
        """Return when its values were known; None: now."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """A plan whose methods have their hours."""

    sources: Mapping[int, SourcePlan]
    channels: Mapping[int, ChannelRule]
    #: equal methods are given equal hours
    arrays: PlanArrays


def given_hours(
    connection: psycopg.Connection[Any], plan: PlanWithSeries, ranges: Ranges
) -> AnyPlan:
    """Return the plan with the hours that the ranges need; the same one if they need none."""
    if not plan.with_series:
        return plan
    chosen = np.isin(ranges.ids, list(plan.with_series))
    if not chosen.any():
        return plan
    counting = ranges.where(chosen)
    hours = np.unique(
        np.concatenate(
            [
                np.arange(first // 60, last // 60 + 1)
                for first, last in set(
                    zip(counting.firsts.tolist(), counting.lasts.tolist(), strict=True)
                )
            ]
        )
    )
    source_ids = np.unique(counting.ids).tolist()
    methods = with_hours(
        connection, {i: plan.sources[i].method for i in source_ids}, hours, plan.as_of
    )
    given = {i: replace(plan.sources[i], method=method) for i, method in methods.items()}
    return _Given(
        sources=ChainMap(given, dict(plan.sources)), channels=plan.channels, arrays=plan.arrays
    )
