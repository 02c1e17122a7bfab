"""The API's composition root: the only place that names what the parts are made of."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import psycopg
import structlog
import uvloop
from fastapi import APIRouter, Depends, FastAPI
from pydantic import SecretStr

from services.api.admission.gate import Gate
from services.api.cells.all_cells import AllCells
from services.api.context import Context
from services.api.database import Database
from services.api.health import HOLDS_S, Health
from services.api.http import errors
from services.api.http.answer_cache import AnswerCache
from services.api.http.calls import well_asked
from services.api.layers import add_layers
from services.api.live.bodies import LiveBodies
from services.api.live.credentials import Uses
from services.api.live.feed import LiveFeed, Pace
from services.api.live.listen import listen
from services.api.live.standing_keys import StandingKeys
from services.api.oidc.provider import Provider
from services.api.presence import Presence
from services.api.routes import (
    activities,
    alerts,
    audit,
    candidates,
    cbam,
    chart_annotations,
    china_month,
    correct_readings,
    dashboard,
    data_health,
    documentation,
    electricity,
    emission_report,
    emissions,
    explain,
    facilities,
    facility_factors,
    facility_files,
    factor_shares,
    factors,
    footprints,
    forecast,
    hj212,
    imports,
    intensity,
    limits,
    live,
    maintenance,
    mapping_trials,
    oidc,
    operation,
    organisations,
    overview,
    pathway,
    people,
    pollutants,
    prometheus,
    quarantine,
    readings,
    recipients,
    removals,
    replay,
    reports,
    restatements,
    schema,
    send_readings,
    thresholds,
)
from services.api.routes.live import live_reader
from services.api.routes.live_hours import hours_reader
from services.api.server_tls import ServerTlsError, tls_context
from services.api.serving import Server, server_config
from services.api.standby import Standby
from services.api.states import AnswerStates
from services.core.runtime import logging, tasks
from services.core.runtime.cell_urls import HOME, cell_urls
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings, SettingsError
from services.core.runtime.steady_time import SteadyTime
from services.core.store.answers.known_facilities import KnownFacilities
from services.core.store.answers.source_uncertainty import KnownAccounts
from services.core.store.database.connect import connect

log = structlog.get_logger()

#: A facility that is watched is read in milliseconds, whoever watches it.
_FEED_CONNECTIONS = 4

_DESCRIPTION = """\
CO2 totals of facilities: live, by interval, explained.

Times in answers are RFC 3339 UTC. Times in requests (`from`, `to`, `as_of` and others) may also be
a date (midnight UTC), epoch seconds or milliseconds, or relative as in Grafana: `now`, `now-7d`,
`now/d`, `now-1d/d`; `/d` rounds to the start of the day, in `to` to its end. List parameters are
repeated or comma separated. Masses are in kilograms. `null` is unknown, `0` is zero. Errors are RFC
9457 problem details. Lists are root arrays of flat rows.
"""


_PARTS = (
    facilities,
    facility_factors,
    facility_files,
    mapping_trials,
    imports,
    activities,
    live,
    organisations,
    overview,
    data_health,
    emissions,
    readings,
    send_readings,
    correct_readings,
    candidates,
    quarantine,
    replay,
    restatements,
    reports,
    emission_report,
    cbam,
    hj212,
    china_month,
    pollutants,
    limits,
    intensity,
    footprints,
    pathway,
    removals,
    forecast,
    electricity,
    explain,
    factor_shares,
    factors,
    alerts,
    thresholds,
    recipients,
    schema,
    maintenance,
    chart_annotations,
    audit,
    people,
    oidc,
    operation,
    prometheus,
    dashboard,
    documentation,
)
#: What every app answers; it knows no settings. Of several that an address fits, the first answers.
_ROUTES = APIRouter(
    dependencies=[Depends(well_asked)], generate_unique_id_function=lambda route: route.name
)
for _part in _PARTS:
    _ROUTES.include_router(_part.router)
#: The same one by one.
_CALLS = tuple(route for _part in _PARTS for route in _part.router.routes)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Database:
    """One database, and the connections to it."""

    settings: Settings
    #: whether it answers
    presence: Presence
    reading: Database
    #: what requests that only read may read from; None: the primary alone
    standby: Standby | None
    #: streams go on whatever requests do
    feeding: Database


def _database(settings: Settings, cell: str = HOME) -> _Database:
    # as many as may read at once: a request takes one connection at a time, and none ever waits
    connections, stated = settings.api_reads_at_once, settings.api_reads_url
    standby = (
        None
        if stated is None
        else Standby(stated.get_secret_value(), settings.database, connections=connections)
    )
    presence = Presence(cell, settings.database)
    return _Database(
        settings=settings,
        presence=presence,
        reading=Database(
            settings.database, connections=connections, standby=standby, presence=presence
        ),
        standby=standby,
        feeding=Database(settings.database, connections=_FEED_CONNECTIONS, presence=presence),
    )


def _of_cell(settings: Settings, name: str, url: str) -> Settings:
    """Return the settings that hold for another cell than home."""
    door = settings.readings_door
    return settings.model_copy(
        update={
            "database_url": SecretStr(url),
            "cells": None,
            # the home cell's alone
            "api_reads_url": None,
            "readings_socket": door.with_name(f"{door.stem}-{name}{door.suffix}"),
        }
    )


def _context(
    database: _Database,
    clock: Clock,
    *,
    gate: Gate,
    uses: Uses,
    pace: Pace,
    health_holds_s: float,
) -> Context:
    """Build the parts that answer from one database."""
    settings = database.settings
    known, accounts = KnownFacilities(), KnownAccounts()
    states = AnswerStates(settings.database, database.presence)
    bodies = LiveBodies(states, accounts, hours_reader(database.feeding, known, accounts))
    return Context(
        settings=settings,
        database=database.reading,
        presence=database.presence,
        standby=database.standby,
        clock=clock,
        feed=LiveFeed(live_reader(database.feeding, clock, bodies), pace=pace),
        states=states,
        live=bodies,
        answer_cache=AnswerCache(),
        facilities=known,
        accounts=accounts,
        gate=gate,
        uses=uses,
        provider=Provider.from_settings(settings),
        health=Health(
            settings.database,
            backup_max_age=timedelta(hours=settings.backup_max_age_hours),
            holds_s=health_holds_s,
            presence=database.presence,
        ),
    )


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    pace: Pace | None = None,
    health_holds_s: float = HOLDS_S,
) -> FastAPI:
    """Build the API; it connects to the database when it is first asked."""
    clock = SteadyTime() if clock is None else clock
    steady = clock if isinstance(clock, SteadyTime) else None
    gate, urls = Gate(settings), cell_urls(settings)
    # people and their keys are in the home cell
    home = _database(settings)
    uses = Uses(home.feeding, clock.now)
    parts = {
        name: home if name == HOME else _database(_of_cell(settings, name, url), name)
        for name, url in urls.items()
    }
    contexts = {
        name: _context(
            part,
            clock,
            gate=gate,
            uses=uses,
            pace=pace or Pace(max_streams=settings.api_streams),
            health_holds_s=health_holds_s,
        )
        for name, part in parts.items()
    }
    context = contexts[HOME]
    cells = AllCells(contexts) if len(contexts) > 1 else None
    if cells is not None:
        context = contexts[HOME] = replace(context, cells=cells)

    @asynccontextmanager
    async def lifespan(serving: FastAPI) -> AsyncIterator[None]:
        background = [asyncio.create_task(uses.keep_writing())]
        for of_cell in contexts.values():
            # time is the home cell's
            of_home = steady if of_cell is context else None
            background += [
                asyncio.create_task(
                    listen(of_cell.settings.database, of_cell.feed, of_cell.presence, of_home)
                ),
                asyncio.create_task(StandingKeys(home.feeding, of_cell.feed).watch()),
            ]
        if home.standby is not None:
            background.append(asyncio.create_task(home.standby.watch()))
        if cells is not None:
            background.append(asyncio.create_task(cells.watch()))
        pulses = [
            asyncio.create_task(of_cell.presence.pulse().watch()) for of_cell in contexts.values()
        ]
        for task in (*background, *pulses):
            task.add_done_callback(partial(_end_loudly, serving))
        try:
            yield
        finally:
            await tasks.end(*background)
            for of_cell in contexts.values():
                await of_cell.presence.end()
            for of_cell, part in zip(contexts.values(), parts.values(), strict=True):
                await of_cell.feed.end()
                await of_cell.states.close()
                await of_cell.health.close()
                await part.reading.close()
                await part.feeding.close()
            # until now they let go what waits for a database that hangs
            await tasks.end(*pulses)

    app = FastAPI(
        title="tonne",
        version=version("tonne"),
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        # it would lead to whatever the header Host says, and by HTTP alone
        redirect_slashes=False,
        lifespan=lifespan,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.context = context
    app.state.has_failed = False
    errors.install(app)
    # so a route works out its parameters once a process, with the first request to any app
    app.router.routes.extend(_ROUTES.routes)
    add_layers(
        app, settings, gate, clock, cells=cells, calls=_CALLS, has_standby=home.standby is not None
    )
    return app


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code, 1 if it could not go on."""
    logging.configure(process="api", level=settings.log_level, style=settings.log_format)
    if settings.api_auth == "off" and not _is_loopback(settings.api_host):
        return _refuse(
            "TONNE_API_AUTH=off listens on this machine only; set TONNE_API_HOST=127.0.0.1"
            " or TONNE_API_AUTH=required"
        )
    try:
        app = create_app(settings)
    except SettingsError as error:
        return _refuse(str(error))
    try:
        tls = tls_context(settings)
    except ServerTlsError as error:
        return _refuse(str(error))
    try:
        connect(settings.database, process="api").close()
    except psycopg.OperationalError:
        log.warning("the database is unavailable; serving only what does not need it")
    try:
        listener = socket.create_server(
            (settings.api_host, settings.api_port),
            family=socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET,
            backlog=512,
        )
    except OSError as error:
        return _refuse(
            f"cannot listen on {settings.api_host} port {settings.api_port}: {error.strerror};"
            " set TONNE_API_HOST or TONNE_API_PORT"
        )
    # connections inherit it; asyncio sets it only on sockets that it made itself, and without it
    # an answer of two writes waits 40 ms for the other side's delayed acknowledgement
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # the program itself is no garbage: to look through it takes 0.1 s, in which no stream speaks,
    # and the thousands of objects of an answer make the collector look all the time
    gc.freeze()
    config = server_config(app, settings, tls)
    log.info(
        "serving",
        host=settings.api_host,
        port=settings.api_port,
        auth=settings.api_auth,
        tls=tls is not None,
    )
    server = Server(config, [of_cell.feed for of_cell in app.state.context.of_cells])
    with listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))
    log.info("stopped")
    return 1 if app.state.has_failed else 0


def _refuse(reason: str) -> int:
    log.error("refused", reason=reason)
    return 1


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _end_loudly(app: FastAPI, task: asyncio.Task[None]) -> None:
    """End the process where a background task failed, so that it does not only look alive."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("background_task_failed", exc_info=error)
        # who looks after the process starts it again only after a failure
        app.state.has_failed = True
        signal.raise_signal(signal.SIGTERM)
