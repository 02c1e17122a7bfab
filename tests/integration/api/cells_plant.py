"""The same facilities in one database, and dealt out to two cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from pydantic import SecretStr

from services.core.runtime.settings import Settings
from services.core.store.cells import directory, identity
from services.core.store.database.connect import connect
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import FULL, MINUTE, Plant, announce, at, minutes, roll
from tests.services import Postgres, as_login

NOW = at("2026-11-23T18:00:30Z")
NEWEST = at("2026-11-23T18:00:00Z")
_FILE = (Path(__file__).parents[2] / "fixtures" / "contract-facility.yaml").read_text()

#: By facility, what it emits in a minute, and when its alerts fired: they alternate.
_KG = {"linz": 2.0, "graz": 3.0}


@dataclass(frozen=True, kw_only=True)
class Databases:
    """Where facilities live: all in one, or in two."""

    single: str
    home: str
    b: str

    def fill(self) -> None:
        """Apply and fill `linz` and `graz`: both in the one, and each in a cell."""
        add(self.home, self.b)
        with (
            connect(self.home, process="test", autocommit=True) as home,
            connect(self.b, process="test", autocommit=True) as b,
        ):
            directory.claim(home, "graz", "b", is_nowhere=True)
            directory.note(b, "graz", "b")
        for url, facilities in (
            (self.single, ("linz", "graz")),
            (self.home, ("linz",)),
            (self.b, ("graz",)),
        ):
            fill(url, facilities)


def add(home: str, b: str) -> None:
    """Make two databases cells."""
    with (
        connect(home, process="test", autocommit=True) as at_home,
        connect(b, process="test", autocommit=True) as other,
    ):
        identity.add(at_home, other, "b")


def silence(cluster: Postgres, url: str) -> None:
    """Let a database answer nobody any more."""
    name = url.rpartition("/")[2]
    cluster.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
    cluster.execute(f"{ended}'{name}'")


def let_in(cluster: Postgres, url: str) -> None:
    """Let a database answer again."""
    cluster.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" WITH ALLOW_CONNECTIONS true')


def settings(home: str, b: str | None = None, *, auth: str = "off") -> Settings:
    """Build the settings of an API over one database, or over two cells."""
    return Settings(
        database_url=SecretStr(as_login(home, "tonne_api")),
        cells=None if b is None else SecretStr(f"b={as_login(b, 'tonne_api')}"),
        api_auth=auth,
        api_requests_per_minute=10**6,
    )


def fill(url: str, facilities: Sequence[str]) -> None:
    """Apply facilities, with minutes, totals, readings, alerts and what was refused."""
    for facility in facilities:
        apply_text(url, _FILE.replace("id: linz, name: Linz", f"id: {facility}, name: {facility}"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for facility in facilities:
            _fill(connection, facility)
        _happen(connection, facilities)


def _fill(connection: psycopg.Connection[tuple[object, ...]], facility: str) -> None:
    row = connection.execute("SELECT id FROM facility WHERE slug = %s", (facility,)).fetchone()
    assert row is not None
    facility_id = int(str(row[0]))
    of = {"facility": facility_id}
    sources = {
        str(slug): int(str(source))
        for slug, source in connection.execute(
            "SELECT slug, id FROM source WHERE facility_id = %(facility)s", of
        )
    }
    for source in sources.values():
        rows = [(NEWEST - i * MINUTE, _KG[facility], FULL) for i in range(180)]
        minutes(connection, source, rows)
    plant = Plant(facility_id=facility_id, slug=facility, timezone="Europe/Vienna", sources=sources)
    roll(connection, plant, NEWEST)
    announce(connection, plant)
    connection.execute(
        "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
        " SELECT c.id, t.ts, 100 + extract(minute FROM t.ts), 0, now(), 0"
        " FROM channel c JOIN device d ON d.id = c.device_id, generate_series(%(begins)s,"
        " %(ends)s, interval '1 minute') AS t(ts) WHERE d.facility_id = %(facility)s"
        " AND c.slug IN ('import-power', 'co2')",
        {**of, "begins": NEWEST - timedelta(minutes=30), "ends": NEWEST},
    )


def _happen(connection: psycopg.Connection[tuple[object, ...]], facilities: Sequence[str]) -> None:
    """Let alerts fire and messages be refused, of the facilities in turn."""
    for i in range(8):
        facility = list(_KG)[i % 2]
        if facility not in facilities:
            continue
        of = {"of": facility, "at": NEWEST - timedelta(minutes=60 - 5 * i)}
        connection.execute(
            "INSERT INTO alert (facility_id, threshold_id, threshold_version, state, projected,"
            " started_at, fired_at, limit_value, data_version, told)"
            " SELECT f.id, t.id, 1, 'firing', false, %(at)s, %(at)s, 1, 1, false"
            " FROM threshold t JOIN facility f ON f.id = t.facility_id"
            " WHERE f.slug = %(of)s AND t.slug = 'site-rate'",
            of,
        )
        connection.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility, received_at)"
            " VALUES ('bad_time', %(of)s, 't', '', %(of)s, %(at)s)",
            of,
        )
