"""Hold a facility while it is looked at: nothing of it changes, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from services.core.store.emissions import claims

#: Hours of a source in one step: the facility's aggregator waits for no longer than this takes.
STEP_HOURS = 14 * 24

#: A tick may take seconds after an outage.
_PATIENCE_S = 120.0


class BusyError(RuntimeError):
    """Another process kept the facility for too long."""


@contextmanager
def rolled_back(connection: psycopg.Connection[Any], facility_id: int) -> Iterator[None]:
    """Open a transaction that holds the facility and leaves nothing behind."""
    patience = time.monotonic() + _PATIENCE_S
    while True:
        with connection.transaction(force_rollback=True):
            if claims.lock(connection, facility_id):
                yield
                return
        if time.monotonic() > patience:
            raise BusyError("the facility is being computed; try again when that is done")
        time.sleep(0.05)


def steps(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Split the hours ``first .. last`` into steps, both ends included."""
    for begin in range(first, last + 1, STEP_HOURS):
        yield begin, min(last, begin + STEP_HOURS - 1)
