"""A path of an organisation: over its facilities, with a base year that structure may move."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.aggregator.base_years import BaseYears
from services.core.facility.file import FacilityFileError
from services.core.facility.organisation_file import parse_organisation
from services.core.runtime.clock import FixedClock
from services.core.store.database.connect import engine
from services.core.store.emissions.organisation_base_years import recalculate_organisations
from services.core.store.operations import keys
from services.core.store.registry.organisations import apply_organisation, remove_organisation
from tests.command import tonne
from tests.integration.aggregator.plant import Plant, apply_text, instant
from tests.integration.api.test_auth import bearer, guarded
from tests.integration.api.test_pathway import summed
from tests.services import Postgres, as_login

__all__ = ["guarded"]

NOW = instant("2026-01-01T00:00:30Z")
FIRST = instant("2024-01-01T00:00:00Z")

FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices: [{id: meter, channels: [{id: p, quantity: power, unit: kW, kind: gauge, uncertainty: 2}]}]
factors: [{id: f, unit: kWh, co2_kg: 0.25, uncertainty: 3, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.p, factor: f}]
"""
GROUP = """
organisation: {id: group, name: Group}
facilities:
  - {id: works}
pathway:
  - scope: 2
    figure: co2
    base: {year: 2024}
    policy: stated
    milestones: [{year: 2026, tonnes: 6}, {year: 2030, tonnes: 0}]
"""
JOINED = (
    "  - {id: works}\n  - {id: other, joined: 2025-06-01}\n  - {id: tiny, joined: 2025-07-01}\n"
)

# By facility kg an hour: 1, 0.5 and 0.02; all of 2024 and 2025.
_HOURS = """
INSERT INTO emission_hour (source_id, hour, co2_ug, co2e_ug, market_ug, covered_ms, version, final,
    quality, reason, known_at, opened_at)
SELECT s.id, hour, m, m, m, 3600000, 1, true, 'measured', 'closed', hour, hour
FROM source s JOIN facility f ON f.id = s.facility_id
CROSS JOIN generate_series(%(first)s::timestamptz, '2025-12-31T23:00Z', interval '1 hour') hour
CROSS JOIN LATERAL (SELECT (CASE f.slug WHEN 'works' THEN 1000000000 WHEN 'other' THEN 500000000
    ELSE 20000000 END)::int8 AS m) x
"""


@pytest.fixture(scope="module")
def works(postgres_cluster: Postgres, migrated_template: str) -> Iterator[tuple[Plant, str]]:
    """Three facilities with two years of hours."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        plant = Plant(url, FILE)
        for name in ("other", "tiny"):
            apply_text(url, FILE.replace("id: works, name: Works", f"id: {name}, name: {name}"))
        plant.connection.execute(_HOURS, {"first": FIRST})
        summed(plant)
        state(url, GROUP)
        plant.connection.execute("UPDATE organisation_revision SET known_at = %s", (FIRST,))
        yield plant, url
        plant.close()


@pytest.fixture
def database_url(works: tuple[Plant, str]) -> str:
    """The API's database, in place of an empty one."""
    return works[1]


def state(url: str, text: str) -> list[str]:
    bind = engine(url, process="test")
    try:
        with bind.begin() as connection:
            return apply_organisation(connection, parse_organisation(text))
    finally:
        bind.dispose()


async def standing(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"organisation": "group", **parameters}
    response = await client.get("/v1/pathway", params=asked)
    assert response.status_code == 200, response.text
    (row,) = response.json()
    assert isinstance(row, dict)
    return row


async def test_facilities_that_join_move_the_base_year_from_5_percent_on(
    works: tuple[Plant, str], client: httpx.AsyncClient, clock: FixedClock
) -> None:
    plant, url = works
    clock.instant = NOW

    def recalculate(at: datetime) -> list[str]:
        return recalculate_organisations(plant.connection, at)

    row = await standing(client)
    assert (row["base_kg"], row["allowed_kg"], row["organisation"]) == (None, None, "group")
    # the year is not over
    assert recalculate(instant("2024-12-01T00:00:00Z")) == []
    (said,) = recalculate(instant("2025-01-02T00:00:00Z"))
    assert said.startswith("base year 2024 of group, scope 2: 8.784 t; first figure")
    assert recalculate(instant("2025-01-03T00:00:00Z")) == []
    changes = state(url, GROUP.replace("  - {id: works}\n", JOINED))
    assert changes == ["~ organisation group", "+ facility other", "+ facility tiny"]
    assert state(url, GROUP.replace("  - {id: works}\n", JOINED)) == []
    plant.connection.execute(
        "UPDATE organisation_revision SET known_at = '2025-04-01' WHERE known_at > %s", (FIRST,)
    )
    # it has not joined yet
    assert recalculate(instant("2025-05-31T12:00:00Z")) == []
    joined = instant("2025-06-01T00:00:00Z")
    step = BaseYears()
    while len(plant.rows("SELECT 1 FROM organisation_base_figure")) < 2:
        step.step(plant.connection, joined, busy=False)
    assert step.notices() == []
    # 0.02 of 1.5 kg an hour are less than 5 %
    assert recalculate(instant("2025-07-02T00:00:00Z")) == []
    row = await standing(client)
    assert (row["base_kg"], row["base_version"]) == (8784 * 1.5, 2)
    assert row["base_cause"] == "+50.0 %: other joined"
    assert row["facility"] == "other tiny works"
    # half a minute of 2026, of which nothing is known yet
    assert (row["year"], row["allowed_kg"], row["missing_years"]) == (2026, 6000, "2026")
    assert row["rate_kg_day"] == pytest.approx(1.52 * 24)
    assert row["newest_365d_kg"] == pytest.approx(1.52 * 8760)
    then = await standing(client, as_of="2025-06-30T12:00:00Z")
    assert (then["facility"], then["base_version"]) == ("other works", 2)
    # (13176 + 6000) / 2 of 2025; both facilities since January, with the hour that has begun
    hours = 180 * 24 + 13
    assert then["allowed_kg"] == (13176 + 6000) / 2
    assert then["actual_kg"] == pytest.approx(1.5 * hours)
    assert then["year_left_kg"] == pytest.approx(9588 - 1.5 * hours)
    assert then["year_days_left"] == pytest.approx((9588 - 1.5 * hours) / 36)
    # meter and factor of each, 2 and 3 %; halves of facilities add up
    half = 1.5 * hours * 13**0.5 / 100
    assert then["gap_high_kg"] - then["gap_kg"] == pytest.approx(half)
    earlier = await standing(client, as_of="2025-05-01T00:00:00Z")
    assert (earlier["facility"], earlier["base_kg"]) == ("works", 8784)
    years = await client.get("/v1/pathway/years", params={"organisation": "group"})
    (of_2025,) = [row for row in years.json() if row["year"] == 2025]
    assert (of_2025["organisation"], of_2025["origin"]) == ("group", "measured")
    assert of_2025["actual_kg"] == pytest.approx(1.52 * 8760)


async def test_a_facility_that_was_not_there_is_not_missing(
    works: tuple[Plant, str], client: httpx.AsyncClient, clock: FixedClock
) -> None:
    plant, url = works
    clock.instant = instant("2026-01-01T06:00:00Z")
    apply_text(url, FILE.replace("id: works, name: Works", "id: fresh, name: Fresh"))
    text = GROUP.replace("id: group", "id: new").replace("year: 2024}", "year: 2024, tonnes: 9}")
    with_fresh = text.replace("  - {id: works}\n", "  - {id: works}\n  - {id: fresh}\n")
    state(url, with_fresh)
    row = await standing(client, organisation="new")
    assert (row["base_kg"], row["base_version"], row["missing_years"]) == (9000, 1, "2025 2026")
    state(url, with_fresh.replace("{id: fresh}", "{id: fresh, built: 2026}"))
    row = await standing(client, organisation="new")
    assert row["missing_years"] == "2026"
    # another figure is another version
    state(url, with_fresh.replace("tonnes: 9}", "tonnes: 10, citation: report}"))
    row = await standing(client, organisation="new")
    assert (row["base_version"], row["base_cause"]) == (2, "report")
    with pytest.raises(ValueError, match="there is no facility gone"):
        state(url, with_fresh.replace("id: fresh", "id: gone"))
    assert plant.rows("SELECT 1 FROM organisation_revision r JOIN organisation o ON o.id ="
                      " r.organisation_id WHERE o.slug = 'new'") == [(1,)] * 3  # fmt: skip


async def test_an_organisation_is_seen_by_who_sees_all_of_it(
    works: tuple[Plant, str],
    client: httpx.AsyncClient,
    guarded: httpx.AsyncClient,
    clock: FixedClock,
) -> None:
    clock.instant = NOW
    state(
        works[1], GROUP.replace("id: group", "id: two").replace("works}", "works}\n  - {id: tiny}")
    )
    for facilities, status in ((["works"], 404), (["works", "tiny"], 200)):
        key = keys.create(works[0].connection, name="k", scopes=["read"], facilities=facilities)
        seen = await guarded.get("/v1/pathway", params={"organisation": "two"}, headers=bearer(key))
        assert seen.status_code == status, seen.text
    unknown = await client.get("/v1/pathway", params={"organisation": "nothing"})
    assert unknown.status_code == 404
    both = await client.get("/v1/pathway", params={"organisation": "group", "facility": "works"})
    assert both.status_code == 422
    assert "leave facility and total out" in both.text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("{id: works}", "{id: works, left: 2025-01-01, joined: 2025-02-01}", "left is not after"),
        ("{id: works}", "{id: works}\n  - {id: works}", "works stands twice"),
        ("name: Group", "nam: Group", "line 2"),
    ],
)
def test_what_is_wrong_with_an_organisation_is_told_by_line(
    old: str, new: str, reason: str
) -> None:
    with pytest.raises(FacilityFileError, match=reason):
        parse_organisation(GROUP.replace(old, new))


def test_files_of_organisations_are_applied_with_those_of_facilities(
    works: tuple[Plant, str], tmp_path: Path
) -> None:
    group, site = tmp_path / "a-group.yaml", tmp_path / "late.yaml"
    text = GROUP.replace("id: group", "id: cli").replace("{id: works}", "{id: late}")
    group.write_text(text, encoding="utf-8")
    site.write_text(FILE.replace("id: works", "id: late"), encoding="utf-8")
    people = as_login(works[1], "tonne_admin")
    refused = tonne(people, "apply", group)
    assert refused.code == 1
    assert "there is no facility late: apply its file first" in refused.stderr
    tried = tonne(people, "apply", "--dry-run", group, site)
    assert "+ organisation cli: 1 facility" in tried.stdout
    assert "+ organisation cli" in tonne(people, "apply", group, site).stdout
    assert "unchanged" in tonne(people, "apply", group).stdout


async def test_organisations_in_force_are_listed_to_who_sees_all_of_them(
    works: tuple[Plant, str],
    client: httpx.AsyncClient,
    guarded: httpx.AsyncClient,
    clock: FixedClock,
) -> None:
    plant, url = works
    clock.instant = NOW
    members = (
        "  - {id: works}\n  - {id: other, left: 2025-07-01}\n  - {id: tiny, joined: 2026-03-01}\n"
    )
    state(url, GROUP.replace("id: group", "id: listed").replace("  - {id: works}\n", members))

    async def listed(client: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
        response = await client.get("/v1/organisations", **asked)
        assert response.status_code == 200, response.text
        return [row for row in response.json() if row["id"] == "listed"]

    (row,) = await listed(client)
    row.pop("since")
    assert row == {
        "id": "listed",
        "name": "Group",
        "facilities": "works",
        "left": "other",
        "joining": "tiny",
        "scopes": "2",
    }
    key = keys.create(plant.connection, name="k", scopes=["read"], facilities=["works"])
    assert await listed(guarded, headers=bearer(key)) == []
    bind = engine(url, process="test")
    with bind.begin() as connection:
        remove_organisation(connection, "listed", by="user berta", reason=None)
    bind.dispose()
    clock.instant = datetime.now(UTC)
    assert await listed(client) == []
    refused = await client.get("/v1/pathway", params={"organisation": "listed"})
    assert refused.status_code == 404
