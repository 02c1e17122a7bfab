"""Take values of factors by the hour that were published, a series at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from services.aggregator.sentence import sentence
from services.core.store.database.connect import engine
from services.core.store.factor_series import inbox
from services.core.timeline.instants import to_us

log = structlog.get_logger()

#: A series whose values could not be recorded is tried again so much later.
_REST_S: Final = 60.0


class PublishedValues:
    """Empties the inbox of values between the loop's turns, on a connection of its own.

    To record values waits for the ticks of other aggregators, so it must hold nothing of this one.
    """

    def __init__(self, database: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._engine: Engine | None = None
        #: by series: when it is tried again, and why it failed
        self._failures: dict[int, tuple[float, str]] = {}

    def step(self, connection: psycopg.Connection[Any], now: datetime) -> bool:
        """Record what waits; return whether anything did.

        A series that fails is left where it is for a while, and the others go on.

        :raises psycopg.Error: the connection is gone.
        """
        now_s = self._monotonic()
        self._failures = {i: f for i, f in self._failures.items() if f[0] > now_s}
        series = [i for i in inbox.waiting(connection) if i not in self._failures]
        for series_id in series:
            try:
                self._take(series_id, now)
            except OperationalError as error:
                # the database is away, for the loop's own connection too
                log.warning("values of a factor wait", series=series_id, error=sentence(error))
                self._failures[series_id] = (now_s + 1.0, sentence(error))
            except Exception as error:
                log.exception("values of a factor could not be recorded", series=series_id)
                self._failures[series_id] = (now_s + _REST_S, sentence(error))
        return bool(series)

    def notices(self) -> list[dict[str, str]]:
        """Return what an operator should hear of."""
        return [
            {
                "code": "factor-values-failed",
                "detail": f"published values of the factor series {series_id} wait, for they could"
                f" not be recorded ({why}); see the aggregator's log",
            }
            for series_id, (_, why) in self._failures.items()
        ]

    def close(self) -> None:
        """Give up the connection, if there is one."""
        if self._engine is not None:
            self._engine.dispose()

    def _take(self, series_id: int, now: datetime) -> None:
        if self._engine is None:
            self._engine = engine(self._database, process="aggregator", role="tonne_aggregate")
        with self._engine.begin() as connection:
            recorded = inbox.take(connection, series_id, to_us(now))
        log.info(
            "values of a factor recorded",
            series=series_id,
            added=recorded.added,
            revised=recorded.revised,
            superseded=recorded.superseded,
            unchanged=recorded.unchanged,
        )
