"""What sources remove stands beside what the others emit, in every answer, and is exact."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from services.api.app import create_app
from services.cli import app as command
from services.core.facility.errors import ApplyError
from services.core.facility.file import FacilityFileError, parse
from services.core.runtime.clock import FixedClock
from services.core.runtime.settings import Settings
from services.core.store.database.connect import engine
from services.core.store.registry.apply import apply
from services.core.store.registry.watch_plan import watch_plan
from services.core.timeline.instants import HOUR
from tests.integration.api.server import serving
from tests.integration.field.bench import FieldBench
from tests.patience import PATIENCE_S
from tests.services import as_login

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: plant
    channels:
      - {id: gas, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}
      - {id: air, quantity: mass, unit: kg, kind: counter, max_rate: 1000}
      - {id: stack, quantity: mass, unit: kg, kind: counter, max_rate: 1000}
      - {id: trips, quantity: mass, unit: kg, kind: event, since: "2026-03-01T00:00:00Z",
         range: [0, 1000]}
factors:
  - {id: gas, unit: kWh, co2_kg: 0.2, citation: bill}
  - {id: co2, unit: kg, co2_kg: 1, citation: what is stored is CO2}
  - {id: stack-gas, unit: kg, co2_kg: 0.6, co2_biogenic_kg: 0.4, citation: 14C of March 2026}
sources:
  - {id: boiler, scope: 1, method: activity, input: plant.gas, factor: gas}
  - {id: air-capture, scope: 1, method: activity, input: plant.air, factor: co2,
     removal: {kind: dac, permanent: true, document: "https://example.org/permit.pdf"}}
  - {id: stack-capture, scope: 1, method: activity, input: plant.stack, factor: stack-gas,
     removal: {kind: ccs, permanent: true, document: injection log}}
  - {id: travel, scope: 3, method: activity, input: plant.trips, factor: co2, scope3_category: 6}
pathway:
  - scope: 1
    figure: co2
    base: {year: 2025, tonnes: 1}
    policy: stated
    milestones: [{year: 2026, tonnes: 0.1}]
    residual: 10
    credits_share: 20
removals:
  - {id: biochar, kind: biogenic, tonnes: 0.024, from: 2026-03-01, to: 2026-03-02,
     document: "https://example.org/biochar.pdf"}
credits:
  - {id: forest, registry: Verra, serial: VCS-VCU-113-2024, units: {first: 1001, last: 1500},
     vintage: 2024, retired_on: 2026-03-01, tonnes: 0.5, kind: avoidance, document: retirement}
thresholds:
  - {id: all, measure: total, window: 24h, above: 1e6, severity: info}
"""
_TWICE = """credits:
  - {id: twice, registry: verra, serial: vcs-vcu-113-2024, vintage: 2024, retired_on: 2026-03-01,
     tonnes: 1, kind: removal, document: d}"""
_PRODUCT = """products:
  - {id: steel, name: Steel, unit: t, production: [plant.air], sources: [air-capture]}
pathway:"""
_START = datetime(2026, 3, 1, 6, tzinfo=UTC)
_END = _START + 2 * HOUR
_NOW = _START + 4 * HOUR


def reading(minute: int, **values: float) -> tuple[str, str]:
    payload = {"ts": (_START + timedelta(minutes=minute)).isoformat(), "values": values}
    return "emissions/works/plant/readings", json.dumps(payload)


@pytest.fixture
def plant(field: FieldBench) -> FieldBench:
    """Deliver two hours, each of 100 kWh of gas, 30 kg out of the air, 20 kg out of the stack.

    There is one trip of 10 kg.
    """
    field.apply(_FILE)
    field.deliver(
        [
            *(
                reading(k, gas=50 + k * 100 / 60, air=7 + k / 2, stack=9 + k / 3)
                for k in range(121)
                # what comes late
                if k != 60
            ),
            reading(30, trips=10),
        ],
        at=_END,
    )
    field.settle(_NOW)
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(_NOW + timedelta(minutes=1))
    return field


@pytest.fixture
async def client(plant: FieldBench) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(database_url=SecretStr(as_login(plant.url, "tonne_api")), api_auth="off")
    app = create_app(settings, clock=FixedClock(_NOW), health_holds_s=0)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as opened,
    ):
        yield opened


async def rows_of(client: httpx.AsyncClient, by: str) -> list[dict[str, Any]]:
    answer = await client.get(
        "/v1/emissions",
        params={
            "facility": "works",
            "from": _START.isoformat(),
            "to": _END.isoformat(),
            "interval": "2h",
            "group_by": by,
        },
    )
    rows: list[dict[str, Any]] = answer.raise_for_status().json()
    return rows


async def test_removals_stand_beside_gross_emissions_in_every_total(
    client: httpx.AsyncClient, plant: FieldBench
) -> None:
    (whole,) = await rows_of(client, "facility")
    assert whole["co2_kg"] == pytest.approx(50)
    assert whole["co2_biogenic_kg"] == 0
    assert whole["sources"] == 2
    assert whole["removed_kg"] == pytest.approx(60 + 0.4 * 40)
    assert whole["stored_fossil_kg"] == pytest.approx(0.6 * 40)
    assert whole["evidence_metered"] == pytest.approx(0.8)
    assert whole["evidence_billed"] == pytest.approx(0.2)
    assert whole["evidence_estimated"] == 0
    by_scope = await rows_of(client, "scope")
    assert [(row["scope"], row["co2_kg"], row["removed_kg"]) for row in by_scope] == [
        (1, pytest.approx(40), pytest.approx(76)),
        (3, pytest.approx(10), 0),
    ]
    by_category = await rows_of(client, "category")
    assert [(row["scope3_category"], row["co2_kg"]) for row in by_category] == [
        (6, pytest.approx(10)),
        (None, pytest.approx(40)),
    ]
    by_evidence = await rows_of(client, "evidence")
    assert [(row["evidence"], row["co2_kg"]) for row in by_evidence] == [
        ("billed", pytest.approx(10)),
        ("metered", pytest.approx(40)),
    ]
    of_source = {row["source"]: row for row in await rows_of(client, "none")}
    assert {name: (row["counts"], row["removal"]) for name, row in of_source.items()} == {
        "air-capture": (False, "dac"),
        "boiler": (True, None),
        "stack-capture": (False, "ccs"),
        "travel": (True, None),
    }
    live = (await client.get("/v1/live?facility=works")).raise_for_status().json()
    assert live["totals"]["24h"]["co2_kg"] == pytest.approx(50)
    assert live["removals"]["24h"]["removed_kg"] == pytest.approx(76)
    assert live["removals"]["24h"]["stored_fossil_kg"] == pytest.approx(24)
    assert live["removals"]["today"]["removed_stated_kg"] == pytest.approx(10)
    assert live["removals"]["today"]["credits_kg"] == 500
    assert live["removals"]["1h"]["credits_kg"] == 0
    assert {part["evidence"]: part["totals"]["24h"]["co2_kg"] for part in live["by_evidence"]} == {
        "metered": pytest.approx(40),
        "billed": pytest.approx(10),
    }
    assert [
        (part["category"], part["totals"]["24h"]["co2_kg"]) for part in live["scope3_categories"]
    ] == [(6, pytest.approx(10))]
    # nor does a limit of the facility watch what is removed
    plan = watch_plan(plant.connection, facility_id(plant))
    counted = plant.connection.execute(
        "SELECT slug FROM source WHERE id = ANY(%s) ORDER BY slug",
        (list(plan.thresholds[0].sources),),
    )
    assert [row["slug"] for row in counted] == ["boiler", "travel"]


async def test_a_removal_is_restated_and_verified_as_any_total(
    client: httpx.AsyncClient, plant: FieldBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # at the turn of the hour the register stood lower than the line between its neighbours
    plant.deliver([reading(60, air=36.75)], at=_NOW)
    plant.settle(_NOW + timedelta(minutes=2))
    answer = await client.get(
        "/v1/restatements", params={"facility": "works", "from": "2026-03-01"}
    )
    of_removal = [
        (row["old_co2_kg"], row["new_co2_kg"])
        for row in answer.raise_for_status().json()
        if row["source"] == "air-capture"
    ]
    assert of_removal == [
        (pytest.approx(30), pytest.approx(29.75)),
        (pytest.approx(30), pytest.approx(30.25)),
    ]
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(plant.url, "tonne_aggregate"))
    sound = CliRunner().invoke(command, ["verify", "--json"])
    # a log of events is open to this day, which the test's own clock has not reached
    differs = json.loads(sound.stdout)["differs"]
    assert {difference["source"] for difference in differs} <= {"travel"}


async def test_stated_removals_and_credits_are_rows_beside_what_is_measured(
    client: httpx.AsyncClient,
) -> None:
    span = {"facility": "works", "from": "2026-03-01", "to": "2026-03-02"}
    answer = await client.get("/v1/removals", params=span)
    rows = answer.raise_for_status().json()
    assert [(row["id"], row["origin"], row["kind"], row["permanent"]) for row in rows] == [
        ("air-capture", "measured", "dac", True),
        ("stack-capture", "measured", "ccs", True),
        ("biochar", "stated", "biogenic", False),
        ("forest", "credit", "avoidance", None),
    ]
    # of the stated day ten hours are over
    assert [row["kg"] for row in rows] == pytest.approx([60, 16, 10, 500])
    assert [row["stored_fossil_kg"] for row in rows[:2]] == pytest.approx([0, 24])
    assert rows[0]["document"] == "https://example.org/permit.pdf"
    assert (rows[3]["registry"], rows[3]["first_unit"], rows[3]["last_unit"]) == (
        "Verra",
        1001,
        1500,
    )
    (whole,) = await rows_of(client, "facility")
    # two of 24 hours; the credits were retired at midnight
    assert whole["removed_stated_kg"] == pytest.approx(2)
    assert whole["credits_kg"] == 0
    assert whole["co2_kg"] == pytest.approx(50)
    # nothing of it was known before it was stated
    before = (await client.get("/v1/removals?as_of=2026-03-01T23:00:00Z")).json()
    assert {row["origin"] for row in before} == {"measured"}


async def test_a_path_counts_removals_and_credits_against_its_residual_alone(
    client: httpx.AsyncClient,
) -> None:
    (now,) = (await client.get("/v1/pathway?facility=works")).raise_for_status().json()
    assert (now["removals_may_count"], now["credits_may_count"]) == ("100", "20")
    assert now["removed_kg"] == pytest.approx(76 + 24 * 10 / 24)
    assert (now["permanent_kg"], now["credits_kg"]) == (pytest.approx(76), 500)
    (year,) = (await client.get("/v1/pathway/years?facility=works")).raise_for_status().json()
    # neutral from 2026 on, with a residual of 100 kg
    assert year["actual_kg"] == pytest.approx(40)
    assert year["counted_removals_kg"] == pytest.approx(40)
    assert year["counted_credits_kg"] == 0
    assert year["net_kg"] == pytest.approx(0)
    # the year is not over
    assert year["neutral"] is None


def test_a_credit_is_retired_once_in_the_whole_database(plant: FieldBench) -> None:
    other = """
facility: {id: other, name: Other, timezone: UTC}
devices: [{id: m, channels: [{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 9}]}]
credits:
  - {id: mine, registry: " VERRA", serial: vcs-vcu-113- 2024, units: {first: %s, last: %s},
     vintage: 2024, retired_on: 2026-03-05, tonnes: 1, kind: removal, document: d}
"""
    for first, last in ((1500, 1600), (900, 1001), (1200, 1200), (0, 9999)):
        with pytest.raises(ApplyError, match="units that forest of works retired"):
            plant.apply(other % (first, last))
    bind = engine(plant.url, process="test")
    with pytest.raises(ApplyError, match="units that another facility retired"), bind.begin() as c:
        apply(c, parse(other % (1500, 1600)), limited=True)
    bind.dispose()
    assert "+ credit mine" in plant.apply(other % (1501, 1600))
    with pytest.raises(ApplyError, match="units that mine of other retired"):
        plant.apply(_FILE.replace("last: 1500", "last: 1501"))
    # who gives it up frees it
    plant.apply(other.partition("credits:")[0])
    assert "~ credit forest" in plant.apply(_FILE.replace("last: 1500", "last: 1501"))
    assert plant.apply(_FILE.replace("last: 1500", "last: 1501")) == []


def facility_id(field: FieldBench) -> int:
    row = field.connection.execute("SELECT id FROM facility").fetchone()
    assert row is not None
    return int(row["id"])


def test_a_category_or_evidence_computes_nothing_again(plant: FieldBench) -> None:
    plant.apply(_FILE.replace("scope3_category: 6", "scope3_category: 7, evidence: estimated"))
    waiting = plant.connection.execute("SELECT count(*) AS n FROM recompute").fetchone()
    assert waiting == {"n": 0}


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        (
            "scope: 1, method: activity, input: plant.air",
            "scope: 2, method: activity, input: plant.air",
            "a removal is of scope 1",
        ),
        (
            "input: plant.gas, factor: gas",
            "input: plant.gas, factor: gas, scope3_category: 1",
            "belongs to scope 3",
        ),
        ("scope3_category: 6", "scope3_category: 16", "15"),
        (
            "input: plant.gas, factor: gas",
            "input: plant.gas, factor: gas, check: air-capture",
            "that is no check",
        ),
        ("kind: dac", "kind: forest", "dac"),
        ("pathway:", _PRODUCT, "air-capture removes: what a product emits is gross"),
        ("to: 2026-03-02", "to: 2026-03-01", "to must come after from"),
        (
            "credits:",
            _TWICE,
            "a credit is retired once",
        ),
        ("vintage: 2024", "vintage: 24", "1990"),
        ("vintage: 2024", "vintage: 2034", "of vintage 2034 cannot be retired on"),
        ("tonnes: 0.5, kind", "tonnes: 501, kind", "501 t are more than units 1001 to 1500"),
    ],
)
def test_a_file_says_what_is_wrong_with_removals(was: str, becomes: str, sentence: str) -> None:
    assert was in _FILE
    with pytest.raises(FacilityFileError, match=sentence):
        parse(_FILE.replace(was, becomes))
