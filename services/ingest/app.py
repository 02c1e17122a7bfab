"""The composition root of ingest: settings -> adapters -> pipeline -> exit code."""

from __future__ import annotations

import gc
import re
import ssl
from typing import Final

import structlog
from prometheus_client import start_http_server

from services.core.runtime import broker_tls, broker_url, metrics
from services.core.runtime.broker_tls import BrokerTlsError
from services.core.runtime.broker_url import BrokerUrl, BrokerUrlError
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings
from services.core.runtime.shutdown import Shutdown
from services.core.runtime.steady_time import SteadyTime
from services.core.store.database.connect import DatabaseUrlError
from services.core.store.database.progress import ProgressReporter
from services.core.store.operations.broker_sessions import DEFAULT, BrokerSession, open_session
from services.ingest import stated_bounds
from services.ingest.by_station import UnusableStationsError
from services.ingest.collecting import COLLECT_AFTER
from services.ingest.connections import composition as connections
from services.ingest.database import (
    Database,
    DatabaseUnusableError,
    DataRefusedError,
    StoppedError,
)
from services.ingest.discovery.composition import composed
from services.ingest.errands import Errands
from services.ingest.pipeline import Pipeline
from services.ingest.prepare import TimeBounds
from services.ingest.sources.door import Door
from services.ingest.sources.hj212.listener import Hj212Door
from services.ingest.sources.hj212.passwords import Passwords, passwords
from services.ingest.sources.http.listener import DoorUnusableError, HttpDoor
from services.ingest.sources.mqtt.source import MqttSource, Side
from services.ingest.sources.source import MessageSource, SourceError
from services.ingest.sparkplug import composition as sparkplug
from services.ingest.stated_bounds import UnusableSettingError
from services.ingest.station_keys import stated_keys
from services.ingest.uploads.desk import Desk

_log: Final = structlog.get_logger()

_CONSUMER_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


def run(settings: Settings) -> int:
    """Run ingest until SIGTERM or SIGINT; 0 after a clean stop, 1 if it cannot go on."""
    shutdown = Shutdown()
    shutdown.install()
    try:
        bounds = stated_bounds.bounds(settings)
        uploads = Desk(settings, bounds) if _has_door(settings) else None
        pipeline = _compose(settings, shutdown, bounds, uploads)
        discovery = composed(settings, pipeline)
        gc.set_threshold(*COLLECT_AFTER)
        _serve_metrics(settings)
        _log.info("ingest starts")
        try:
            if uploads is not None:
                uploads.start()
            pipeline.run(discovery)
        finally:
            discovery.stop()
            if uploads is not None:
                uploads.close()
    except (
        BrokerTlsError,
        BrokerUrlError,
        DatabaseUrlError,
        DatabaseUnusableError,
        DataRefusedError,
        DoorUnusableError,
        SourceError,
        UnusableSettingError,
    ) as error:
        _log.error("ingest cannot go on", reason=str(error))
        return 1
    except StoppedError:
        return 0
    _log.info("ingest has finished what it had in hand")
    return 0


def _compose(
    settings: Settings, shutdown: Shutdown, bounds: TimeBounds, uploads: Desk | None
) -> Pipeline:
    clock = SteadyTime()
    database = Database(settings.database, shutdown, clock=clock)
    url = broker_url.parse(settings.mqtt)
    tls = broker_tls.context(
        url, ca=settings.mqtt_tls_ca, cert=settings.mqtt_tls_cert, key=settings.mqtt_tls_key
    )
    _check_consumer_name(settings, url)
    session = None
    if url.protocol == "mqtt":
        session = database.run(lambda c, _tried: open_session(c, settings.mqtt_client_id))
    source = _source(settings, url, tls, session, clock)
    return Pipeline(
        source=source,
        doors=_doors(settings, source, bounds, uploads, clock),
        sparkplug=sparkplug.composed(settings, source.inbox, clock),
        connections=connections.composed(settings, source.inbox, clock),
        clock=clock,
        session=session,
        database=database,
        shutdown=shutdown,
        bounds=bounds,
        batch_messages=settings.batch_messages,
        batch_rows=settings.batch_rows,
        flush_interval_s=settings.flush_interval_ms / 1000,
        mapping_steps=settings.mapping_steps,
        progress=ProgressReporter("ingest", clock=clock),
    )


def _source(
    settings: Settings,
    url: BrokerUrl,
    tls: ssl.SSLContext | None,
    session: BrokerSession | None,
    clock: Clock,
) -> MessageSource:
    max_waiting = 2 * settings.batch_messages
    if session is not None:
        return MqttSource(
            url,
            client_id=session.client_id,
            max_waiting=max_waiting,
            tls=tls,
            overlap_s=settings.mqtt_overlap_s,
            version=settings.mqtt_version,
            side=_nats_side(settings, session),
            clock=clock,
        )
    # only where it is used: its client takes long to load
    from services.ingest.sources.jetstream.source import JetstreamSource  # noqa: PLC0415

    name = settings.mqtt_client_id or DEFAULT
    return JetstreamSource(url, durable=name, max_waiting=max_waiting, tls=tls, clock=clock)


def _nats_side(settings: Settings, session: BrokerSession) -> Side | None:
    """Return who looks after an MQTT session at NATS, where a setting says how to reach that."""
    if settings.backup_broker_url is None:
        return None
    setting = "TONNE_BACKUP_BROKER_URL"
    url = broker_url.parse(settings.backup_broker_url.get_secret_value(), setting=setting)
    if url.protocol != "nats":
        raise UnusableSettingError(f"{setting} must begin with nats:// or tls://")
    # only where it is used: its client takes long to load
    from services.ingest.sources.nats_side.side import NatsSide  # noqa: PLC0415

    tls = broker_tls.context(
        url,
        ca=settings.mqtt_tls_ca if url.tls else None,
        cert=settings.mqtt_tls_cert if url.tls else None,
        key=settings.mqtt_tls_key if url.tls else None,
    )
    return NatsSide(url, client_id=session.client_id, tls=tls)


def _doors(
    settings: Settings,
    source: MessageSource,
    bounds: TimeBounds,
    uploads: Desk | None,
    clock: Clock,
) -> list[Door]:
    doors: list[Door] = []
    if uploads is not None:
        doors.append(_http_door(settings, source, bounds, uploads, clock))
    by_station = _of_stations(settings)
    if settings.hj212_port is not None:
        doors.append(
            Hj212Door(
                settings.hj212_host,
                settings.hj212_port,
                passwords=by_station,
                max_connections=settings.hj212_connections,
                idle_s=settings.hj212_idle_s,
                nudge=source.nudge,
                clock=clock,
            )
        )
    return doors


def _of_stations(settings: Settings) -> Passwords:
    """Return passwords of stations; what cannot be used of them or of their keys is told now.

    Keys are looked up frame by frame, where nobody could be told.
    """
    stated, keys = settings.hj212_passwords, settings.hj212_keys
    try:
        if keys is not None:
            stated_keys(keys.get_secret_value())
        return Passwords({}) if stated is None else passwords(stated.get_secret_value())
    except UnusableStationsError as error:
        raise UnusableSettingError(str(error)) from None


def _has_door(settings: Settings) -> bool:
    """Whether there is a place for the socket at which the API hands over what came by HTTP."""
    if settings.readings_socket is None and not settings.readings_door.parent.is_dir():
        _log.info(
            "no readings by HTTP: there is no local stack here, and TONNE_READINGS_SOCKET is not"
            " set"
        )
        return False
    return True


def _http_door(
    settings: Settings, source: MessageSource, bounds: TimeBounds, uploads: Desk, clock: Clock
) -> HttpDoor:
    errands = Errands(settings.database, bounds, uploads=uploads, max_steps=settings.mapping_steps)
    return HttpDoor(
        settings.readings_door,
        max_bytes=settings.readings_body_bytes,
        nudge=source.nudge,
        errands=errands,
        clock=clock,
    )


def _check_consumer_name(settings: Settings, url: BrokerUrl) -> None:
    name = settings.mqtt_client_id or DEFAULT
    if url.protocol == "nats" and not _CONSUMER_NAME.match(name):
        raise UnusableSettingError(
            f"TONNE_MQTT_CLIENT_ID: with nats:// it names a consumer, which {name!r} cannot; take"
            " letters, digits, - and _"
        )


def _serve_metrics(settings: Settings) -> None:
    if not settings.ingest_metrics_port:
        return
    try:
        start_http_server(
            settings.ingest_metrics_port,
            addr=settings.metrics_host,
            registry=metrics.ingest_registry,
        )
    except OSError as error:
        raise UnusableSettingError(
            f"metrics cannot listen on {settings.metrics_host}:{settings.ingest_metrics_port}"
            f" ({error.strerror}); set TONNE_INGEST_METRICS_PORT to a free port, or to 0"
        ) from None
