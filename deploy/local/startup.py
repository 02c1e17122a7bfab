"""The order of a start. Every step is skipped when it is done already, so a start can be repeated.

Database and broker come first, then the services, and the devices last: a broker keeps a message
only for sessions that exist, so ingest's session must exist before anything is published.
"""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from deploy.local import demo, postgres_server
from deploy.local.places import Places, place_cluster
from deploy.local.problem import StackError
from deploy.local.supervision import Supervisor
from services.core.store.database.connect import create_database
from services.core.store.emissions import claims
from services.core.store.operations.readiness import ingest_listens
from services.core.store.schema import logins

Say = Callable[[str], None]

#: A demo's history is added up within this, or the start goes on without waiting longer.
_ADD_UP_DEADLINE_S = 180.0

#: No batch waiting for so long means that none is on its way either.
_QUIET_S = 3.0

_SAY_EVERY_S = 5.0

_DEADLINE_S = 90.0


def prepare_cluster(places: Places, say: Say) -> Path:
    """Make the database cluster if there is none; return its directory."""
    programs = postgres_server.find_programs()
    cluster = place_cluster(places)
    if not postgres_server.cluster_exists(cluster):
        say(f"making a database in {places.postgres_dir}")
        postgres_server.make_cluster(programs, cluster)
    postgres_server.check_version(programs, cluster)
    password = logins.password_of(places.logins_dir, postgres_server.SUPERUSER)
    postgres_server.set_superuser_password(programs, cluster, password)
    return cluster


def start_all(places: Places, supervisor: Supervisor, say: Say) -> None:
    """Start everything in order; returns when ``/readyz`` says ready.

    :raises StackError: what failed, with the last lines of its log.
    """
    _start_servers(places, supervisor, say)
    say("bringing the schema up to date, applying the demo facilities")
    demo.migrate_and_apply(places)
    for name in ("ingest", "aggregator", "notifier", "api"):
        if supervisor.start(name):
            say(f"starting {name}")
    if places.own_broker:
        supervisor.start("broker-watch")
    _wait("ingest", supervisor, lambda: _ingest_listens(places, supervisor))
    missing = demo.missing_history(places, datetime.now(UTC))
    if missing.days > 0:
        say(f"publishing {missing.days} days of the demo's history, once")
    demo.publish_history(places)
    if missing.days > 0:
        say("adding it up")
        _wait_until_added_up(places, supervisor, say)
    if supervisor.start("simulator"):
        say("starting the simulator")
    _wait_until_ready(places, supervisor)
    say(f"ready: {places.addresses}")


def _start_servers(places: Places, supervisor: Supervisor, say: Say) -> None:
    settings = places.settings
    if places.own_database and supervisor.start("postgres"):
        say(f"starting PostgreSQL on 127.0.0.1:{settings.db_port}")
    if places.own_broker and supervisor.start("nats"):
        say(f"starting NATS, MQTT on 127.0.0.1:{settings.mqtt_port}")
    if places.own_database:
        _wait("postgres", supervisor, lambda: _make_database(places))
    if places.own_broker:
        _wait("nats", supervisor, lambda: _accepts(settings.mqtt_port))


def unready(places: Places) -> str:
    """Why ``/readyz`` does not say ready; empty when it does."""
    try:
        with urllib.request.urlopen(f"{places.api_url}/readyz", timeout=5):  # noqa: S310 - our own
            return ""
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
        try:
            return "; ".join(json.loads(body)["missing"])
        except (ValueError, KeyError):
            return f"/readyz answers {error.code}"
    except OSError as error:
        return f"the API does not answer ({error})"


def _wait(name: str, supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        supervisor.check(name)
        if time.monotonic() > deadline:
            raise StackError(
                f"{name} runs but is of no use after {_DEADLINE_S:.0f} s; its log ends with\n"
                + supervisor.log_tail(name)
            )
        time.sleep(0.1)


def _wait_until_ready(places: Places, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while reason := unready(places):
        for name in supervisor.states():
            supervisor.check(name)
        if time.monotonic() > deadline:
            raise StackError(f"not ready after {_DEADLINE_S:.0f} s: {reason}")
        time.sleep(0.2)


def _wait_until_added_up(
    places: Places, supervisor: Supervisor, say: Callable[[str], None]
) -> None:
    """Until no batch has waited for the aggregator for a while: the broker's backlog is in too."""
    deadline = time.monotonic() + _ADD_UP_DEADLINE_S
    quiet_since = said_at = time.monotonic()
    with psycopg.connect(places.owner_url, autocommit=True) as connection:
        while time.monotonic() - quiet_since < _QUIET_S:
            waiting = claims.backlog(connection)
            now = time.monotonic()
            if waiting:
                quiet_since = now
            if now - said_at > _SAY_EVERY_S:
                said_at = now
                say(f"adding it up, batches to go: {waiting}")
            if now > deadline:
                say("still adding it up; live totals are there already")
                return
            supervisor.check("ingest")
            supervisor.check("aggregator")
            time.sleep(0.2)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_database(places: Places) -> bool:
    """Whether the server answers; makes the database ``tonne`` if it has none."""
    try:
        with psycopg.connect(
            places.owner_url, dbname="postgres", autocommit=True, connect_timeout=2
        ) as connection:
            create_database(connection, "tonne")
    except psycopg.OperationalError:
        return False
    return True


def _ingest_listens(places: Places, supervisor: Supervisor) -> bool:
    """Whether the ingest that runs now has its session with the broker."""
    started_at = datetime.fromtimestamp(supervisor.states()["ingest"]["start"], UTC)
    try:
        with psycopg.connect(places.owner_url, connect_timeout=5) as connection:
            return ingest_listens(connection, started_at)
    except psycopg.OperationalError:
        return False
