"""The aggregator's composition root."""

from __future__ import annotations

import psycopg
import structlog
from prometheus_client import start_http_server

from services.aggregator.base_years import BaseYears
from services.aggregator.loop import Loop
from services.aggregator.packing import Packing
from services.aggregator.published_values import PublishedValues
from services.aggregator.retention import Retention
from services.aggregator.setbacks import NOBODYS_FAULT
from services.aggregator.summing import Summing
from services.core.runtime import metrics, service_manager
from services.core.runtime.backoff import Backoff
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.settings import Settings, SettingsError
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.connect import connect
from services.core.store.database.progress import ProgressReporter

log = structlog.get_logger()

#: What only costs the tick in hand. A transaction in which nothing was asked for too long was taken
#: away, so that another aggregator can have the facility.
_AWAY = (
    psycopg.OperationalError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    *NOBODYS_FAULT,
)


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the tick in hand is finished. Returns the exit code."""
    shutdown = Shutdown()
    shutdown.install()
    if settings.aggregator_metrics_port:
        start_http_server(
            settings.aggregator_metrics_port, settings.metrics_host, metrics.aggregator_registry
        )
    try:
        others = {name: url for name, url in cell_urls(settings).items() if name != HOME}
    except SettingsError as error:
        return _refuse(str(error))
    published = PublishedValues(settings.database)
    clock = SteadyTime()
    loop = Loop(
        clock=clock,
        shutdown=shutdown,
        progress=ProgressReporter("aggregator", clock=clock),
        retention=Retention(settings.retention_days, archived_only=settings.archive is not None),
        packing=Packing(settings.pack_after_days),
        summing=Summing(),
        base_years=BaseYears(cells=others),
        published=published,
    )
    backoff = Backoff()
    while not shutdown.requested:
        try:
            with connect(
                settings.database, process="aggregator", role="tonne_aggregate", autocommit=True
            ) as connection:
                log.info("aggregating")
                backoff.reset()
                loop.run(connection)
        except psycopg.errors.UndefinedTable:
            log.exception("the schema is missing; run `tonne migrate`")
            return 1
        except _AWAY as error:
            metrics.aggregator_database_retries.inc()
            delay_s = backoff.next_s()
            log.warning("database away, trying again", error=str(error), in_s=round(delay_s, 2))
            # to wait for the database is work: a restart would not bring it back
            service_manager.tell(ready=False)
            shutdown.wait(delay_s)
    published.close()
    log.info("stopped")
    return 0


def _refuse(reason: str) -> int:
    log.error("refused", reason=reason)
    return 1
