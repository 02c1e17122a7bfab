"""An importer and the connections that it has, for as long as it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.ingest.database import Database
from services.ingest.files.importer import Importer
from services.ingest.files.rows import Names
from services.ingest.prepare import TimeBounds


@contextmanager
def importer(
    url: str,
    shutdown: Shutdown,
    names: Names,
    bounds: TimeBounds,
    *,
    pack_after_days: int,
    batch_rows: int,
    is_trial: bool,
) -> Iterator[Importer]:
    """Open the connections and close them; one of a trial stores nothing."""
    clock = SteadyTime()
    with (
        closing(Database(url, shutdown)) as registry_database,
        closing(Database(url, shutdown, trial=is_trial, clock=clock)) as database,
    ):
        yield Importer(
            registry_database=registry_database,
            database=database,
            clock=clock,
            shutdown=shutdown,
            bounds=bounds,
            names=names,
            pack_after_days=pack_after_days,
            batch_rows=batch_rows,
        )
