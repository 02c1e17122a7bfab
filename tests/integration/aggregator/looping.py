"""The aggregator's loop in a test: it packs, drops and archives nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from services.aggregator.base_years import BaseYears
from services.aggregator.loop import Loop
from services.aggregator.packing import Packing
from services.aggregator.published_values import PublishedValues
from services.aggregator.retention import Retention
from services.aggregator.summing import Summing
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.progress import ProgressReporter


def loop_over(
    url: str,
    clock: SteadyTime,
    *,
    shutdown: Shutdown | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Loop:
    """Build the loop of an aggregator of the database at ``url``, which goes by ``clock``."""
    return Loop(
        clock=clock,
        shutdown=Shutdown() if shutdown is None else shutdown,
        progress=ProgressReporter("aggregator", clock=clock),
        retention=Retention(0),
        packing=Packing(0),
        summing=Summing(),
        base_years=BaseYears(),
        published=PublishedValues(url),
        monotonic=monotonic,
    )
