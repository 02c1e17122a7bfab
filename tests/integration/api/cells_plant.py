"""The same facilities in one database, and dealt out to two cells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
from pydantic import SecretStr

from services.api.app import create_app
from services.core.facility.organisation_file import parse_organisation
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.cells import directory, identity
from services.core.store.cells.move import Move, Side, move
from services.core.store.database.connect import connect, engine
from services.core.store.registry.organisations import apply_organisation
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import FULL, MINUTE, Plant, announce, at, minutes, roll
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S
from tests.services import Postgres, as_login

NOW = at("2026-11-23T18:00:30Z")
NEWEST = at("2026-11-23T18:00:00Z")
_FILE = (Path(__file__).parents[2] / "fixtures" / "contract-facility.yaml").read_text()

#: A path to net zero of each scope, a credit, and products: one of both facilities, one of its own.
_ADDED = """
pathway:
  - scope: 1
    figure: co2
    base: {year: 2024}
    policy: sbti-1.5c-2019
  - scope: 2
    figure: co2
    base: {year: 2024, tonnes: 6}
    policy: stated
    milestones: [{year: 2026, tonnes: 4}, {year: 2030, tonnes: 0}]
    actual: [{year: 2025, tonnes: 5}]
credits:
  - {id: forest, registry: Verra, serial: A-ID, vintage: 2024, retired_on: 2026-08-15, tonnes: 5,
     kind: avoidance, document: retirement}
products:
  - {id: steam, unit: kWh, production: pow1.energy, sources: [boiler], footprint: &f {company: Steam
     Ltd, company_ids: ["urn:a:b"], product_ids: ["urn:a:ID"], description: Steam,
     fossil_carbon_kg: 0, mass_kg: 0, standards: [ISO14067]}}
  - {id: heat-ID, unit: kWh, production: pow1.energy, sources: [grid], footprint: *f}
"""

#: By facility, what it emits in a minute, and when its alerts fired: they alternate.
_KG = {"linz": 2.0, "graz": 3.0}

# Hours of the source of scope 2 over more than two years, less in each; all of them final.
_HISTORY = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, hour, m, m, m, 3600000, 1, true, 'measured', 'closed', hour, hour
FROM source s JOIN facility f ON f.id = s.facility_id
CROSS JOIN generate_series(timestamptz '2023-12-31T23:00Z', '2026-11-22T22:00Z', '1 hour') hour
CROSS JOIN LATERAL (SELECT %(kg)s * 1e9 * (2029 - extract(year FROM hour)) AS m) x
WHERE f.slug = %(facility)s AND s.slug = 'grid'
"""


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

    def lengthen(self) -> None:
        """Add years of hours, by which paths stand somewhere and have a peak."""
        for url, facilities in (
            (self.single, ("linz", "graz")),
            (self.home, ("linz",)),
            (self.b, ("graz",)),
        ):
            with psycopg.connect(url, autocommit=True) as connection:
                for facility in facilities:
                    asked = {"facility": facility, "kg": _KG[facility]}
                    connection.execute(_HISTORY, asked)


def organise(databases: Databases) -> None:
    """State an organisation of both facilities: `both`, at home as in the one database."""
    text = "organisation: {id: both, name: Both}\nfacilities: [{id: linz}, {id: graz}]\n"
    for url in (databases.single, databases.home):
        bind = engine(url, process="test")
        with bind.begin() as connection:
            apply_organisation(connection, parse_organisation(text), elsewhere=["graz"])
        bind.dispose()


@contextmanager
def filled(cluster: Postgres, template: str) -> Iterator[Databases]:
    """Make the databases, with both facilities in each way."""
    with (
        cluster.fresh_database(template=template) as single,
        cluster.fresh_database(template=template) as home,
        cluster.fresh_database(template=template) as b,
    ):
        made = Databases(single=single, home=home, b=b)
        made.fill()
        yield made


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
        # so that sums have a band
        stated = _FILE.replace("max_rate: 5000}", "max_rate: 5000, uncertainty: 2}").replace(
            'certificate 2025"}', 'certificate 2025", uncertainty: 5}'
        )
        text = stated.replace("id: linz, name: Linz", f"id: {facility}, name: {facility}")
        apply_text(url, text + _ADDED.replace("ID", facility))
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
    listed = connection.execute(
        "SELECT slug, id, scope > 0 FROM source WHERE facility_id = %(facility)s", of
    ).fetchall()
    sources = {str(slug): int(str(source)) for slug, source, emits in listed if emits}
    for _, source, emits in listed:
        # what products count emits nothing
        rows = [(NEWEST - i * MINUTE, _KG[facility] if emits else 0.0, FULL) for i in range(180)]
        minutes(connection, int(str(source)), rows, activity=None if emits else 4.0)
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


@asynccontextmanager
async def both_clients(
    databases: Databases,
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of the API over one database, and one of that over cells."""
    clock = FixedClock(NOW)
    one = create_app(settings(databases.single), clock=clock, health_holds_s=0)
    over = create_app(settings(databases.home, databases.b), clock=clock, health_holds_s=0)
    async with (
        serving(one) as single,
        serving(over) as cells,
        httpx.AsyncClient(base_url=single, timeout=PATIENCE_S) as of_one,
        httpx.AsyncClient(base_url=cells, timeout=PATIENCE_S) as of_cells,
    ):
        yield of_one, of_cells


def move_it(
    databases: Databases,
    facility: str,
    old: str,
    new: str,
    step: Callable[[str], None] = lambda _step: None,
) -> None:
    """Move a facility between cells; ``step`` is called with each step of it."""
    urls = {"home": databases.home, "b": databases.b}
    with (
        connect(urls[old], process="test", autocommit=True) as leaving,
        connect(urls[new], process="test", autocommit=True) as coming,
    ):
        task = Move(
            facility=facility, old=Side(name=old, connection=leaving),
            new=Side(name=new, connection=coming), by="user anna", step=step,
            copied=lambda _rows: None,
        )  # fmt: skip
        move(task, lambda _connection, _facility: 0)
