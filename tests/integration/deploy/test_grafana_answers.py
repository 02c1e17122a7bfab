"""Every panel, variable, annotation and alert rule of Grafana, over real answers of the API."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import FULL, MINUTE, Plant, announce, at, minutes, roll
from tests.integration.api.server import serving
from tests.integration.deploy.infinity import Frame, fill, frame_of
from tests.patience import PATIENCE_S
from tests.repository.files import DEPLOY, read_yaml
from tests.services import Postgres, as_login

NOW = at("2026-11-23T18:00:30Z")

_WORKS = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: import, quantity: energy, unit: kWh, kind: counter, max_rate: 100000}]
  - id: gas
    channels: [{id: volume, quantity: volume, unit: m3, kind: counter, max_rate: 100}]
factors:
  - {id: nation, unit: kWh, co2_kg: 0.3, citation: a}
  - {id: grid, kind: series, unit: kWh, fallback: [nation], citation: a}
  - {id: wind, unit: kWh, co2_kg: 0.01, basis: market, citation: b}
sources:
  - {id: grid, name: Hall 1, scope: 2, method: activity, input: meter.import, factor: grid,
     market_factor: wind}
  - {id: boiler, scope: 1, method: activity, input: gas.volume, factor: natural-gas,
     calorific_value: 39.3}
thresholds:
  - {id: site-rate, measure: rate, above: 200, for: 2m, severity: critical}
  - {id: boiler-rate, source: boiler, measure: rate, above: 100, for: 2m, severity: warning}
  - {id: year, measure: budget, window: year, budget: 5000, above: 0.9, severity: warning}
pathway:
  - {scope: 1, figure: co2, base: {year: 2020, tonnes: 100, citation: a}, policy: sbti-1.5c-2019}
electricity:
  zone: AT
  match: hourly
  grid_carbon_free: [{percent: 50}]
  contracts: [{id: park, technology: wind, citation: PPA 1}]
  certificates:
    - {id: c1, contract: park, hour: "2026-11-23T17:00:00Z", mwh: 1, retired: 2026-11-23}
"""

#: An alert that fires and one whose data stopped, and a message that was refused.
_EVENTS = """
INSERT INTO alert (facility_id, threshold_id, threshold_version, state, projected, value,
    limit_value, started_at, fired_at, data_version, told,
    changed_at)
SELECT facility_id, id, version, CASE slug WHEN 'site-rate' THEN 'firing' ELSE 'no-data' END, false,
       240, 200, %(at)s, %(at)s, 1, true, %(at)s
FROM threshold WHERE slug <> 'year';
"""

#: Columns without a value where nothing is wrong: facilities that have it are rare.
_EMPTY = {
    "exported", "exported today", "exported this month", "exported today, kWh", "stale factor",
    "ended", "comment", "crosses in", "gap", "peak", "left of the budget",
    "days left of the budget", "since", "below", "budget of the month", "scope",
    "timeEnd", "channel", "biogenic CO2",
}  # fmt: skip

_FOLDER = DEPLOY / "grafana"
_DASHBOARD = json.loads((_FOLDER / "dashboards" / "emissions.json").read_text())
_RULES = [
    rule
    for group in read_yaml(_FOLDER / "provisioning" / "alerting" / "tonne.yaml")["groups"]
    for rule in group["rules"]
]


@pytest.fixture(scope="module")
def database_url(postgres_cluster: Postgres, migrated_template: str) -> Iterator[str]:
    """Two hours of a works that has all that the dashboard shows."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        apply_text(url, _WORKS)
        with psycopg.connect(url, autocommit=True) as connection:
            sources = dict(connection.execute("SELECT slug, id FROM source").fetchall())
            row = connection.execute("SELECT id, timezone FROM facility").fetchone()
            assert row is not None
            plant = Plant(facility_id=row[0], slug="works", timezone=row[1], sources=sources)
            newest = NOW.replace(second=0)
            for source in sources.values():
                rows = [(newest - i * MINUTE, 2.0, FULL) for i in range(120)]
                minutes(connection, source, rows, activity=6.0)
            roll(connection, plant, newest)
            announce(connection, plant)
            connection.execute(_EVENTS, {"at": newest - timedelta(minutes=30)})
            connection.execute(
                "INSERT INTO quarantine (received_at, reason, detail, topic, facility, device,"
                " payload) VALUES (%s, 'unknown_channel', 'channel co3 is not in the file',"
                " 'emissions/works/gas/readings', 'works', 'gas', '{}')",
                (newest - timedelta(minutes=5),),
            )
        yield url


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")), api_auth="off")
    app = create_app(settings, clock=FixedClock(NOW), health_holds_s=0)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        yield opened


def _ms(instant: datetime) -> str:
    return str(round(instant.timestamp() * 1000))


def _variables(**chosen: str) -> dict[str, str]:
    return {
        "facility": "works",
        "source": "$__all",
        "interval": "auto",
        "figure": "co2_kg",
        "__from": _ms(NOW - timedelta(hours=24)),
        "__to": _ms(NOW),
        **chosen,
    }


def _check(frame: Frame, where: str) -> None:
    """Every column has a value, and the frame a row."""
    for name, cells in frame.items():
        assert cells, (where, name)
        assert name in _EMPTY or any(cell is not None for cell in cells), (where, name)


_PANELS = [
    pytest.param(panel, id=f"{panel['id']}-{panel['title']}") for panel in _DASHBOARD["panels"]
]


@pytest.mark.parametrize("panel", _PANELS)
async def test_a_panel_shows_what_the_api_answers(
    client: httpx.AsyncClient, panel: Mapping[str, Any]
) -> None:
    by_ref = {target["refId"]: target for target in panel["targets"]}
    for ref, target in by_ref.items():
        frame = await frame_of(client, target, _variables())
        # of this works no budget of a month is stated
        if ref != "month":
            _check(frame, f"{panel['title']} {ref}")
    for step in panel.get("transformations", ()):
        options = step["options"]
        if step["id"] == "configFromData":
            limit = await frame_of(client, by_ref[options["configRefId"]], _variables())
            assert limit == {options["mappings"][0]["fieldName"]: [200.0]}
        else:
            (target,) = by_ref.values()
            assert set(options["indexByName"]) == {c["text"] for c in target["columns"]}


async def test_every_choice_of_the_dashboard_is_answered(client: httpx.AsyncClient) -> None:
    choices = {v["name"]: v["options"] for v in _DASHBOARD["templating"]["list"] if "options" in v}
    by_id = {panel["id"]: panel for panel in _DASHBOARD["panels"]}
    for option in choices["figure"]:
        for panel in (2, 5, 7, 8):
            frame = await frame_of(
                client, by_id[panel]["targets"][0], _variables(figure=option["value"])
            )
            _check(frame, option["value"])
    for option in choices["interval"]:
        for source in ("grid", "{boiler,grid}", "boiler,grid"):
            frame = await frame_of(
                client,
                by_id[5]["targets"][0],
                _variables(interval=option["value"], source=source),
            )
            assert set(frame["source"]) == set(re.findall(r"\w+", source))


async def test_variables_list_what_may_be_chosen(client: httpx.AsyncClient) -> None:
    listed = {
        variable["name"]: await frame_of(client, variable["query"]["infinityQuery"], _variables())
        for variable in _DASHBOARD["templating"]["list"]
        if variable["type"] == "query"
    }
    assert listed == {
        "facility": {"__text": ["Works"], "__value": ["works"]},
        "source": {"__text": ["Hall 1", "boiler"], "__value": ["grid", "boiler"]},
    }


async def test_annotations_are_readable(client: httpx.AsyncClient) -> None:
    shown = [
        await frame_of(client, a["target"], _variables()) for a in _DASHBOARD["annotations"]["list"]
    ]
    assert all(list(frame) == ["time", "timeEnd", "title", "text", "tags"] for frame in shown)
    alerts = shown[0]
    assert "240 kg/h" in alerts["text"][1]
    # Grafana makes a list of them at the commas
    assert alerts["tags"][1].split(",") == ["alert", "works", "critical"]
    assert all(alerts["time"])


@pytest.mark.parametrize("rule", _RULES, ids=lambda rule: rule["uid"])
async def test_an_alert_rule_fires_once_for_each_thing(
    client: httpx.AsyncClient, rule: Mapping[str, Any]
) -> None:
    asked, threshold = rule["data"]
    (condition,) = threshold["model"]["conditions"]
    assert threshold["refId"] == rule["condition"]
    assert threshold["model"]["expression"] == asked["refId"]
    span = timedelta(seconds=asked["relativeTimeRange"]["from"])
    frame = await frame_of(client, asked["model"], {"__from": _ms(NOW - span), "__to": _ms(NOW)})
    numbers = [n for n, cells in frame.items() if all(isinstance(c, int | float) for c in cells)]
    assert len(numbers) == 1, "Grafana makes an instance of each number"
    (values,) = (frame.pop(name) for name in numbers)
    assert len(values) == 1
    assert values[0] > condition["evaluator"]["params"][0]
    assert all(cells[0] for cells in frame.values()), "labels"
    used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert used <= set(frame)


def test_variables_are_filled_in_as_grafana_does() -> None:
    assert fill("${figure:text} by ${interval}", {"figure": "x", "interval": "1h"}) == "x by 1h"
