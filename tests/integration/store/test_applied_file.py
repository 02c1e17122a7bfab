"""A facility file is given back as applied, and tried before it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from services.core.facility.file import parse
from services.core.store.database.connect import engine
from services.core.store.registry import applied_file
from services.core.store.registry.apply import apply
from tests.command import tonne
from tests.integration.aggregator.plant import FILE
from tests.integration.api.conftest import app, client, clock, settings  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[3]
DEVICES = ROOT / "services/core/facility/families"
EXAMPLES = sorted(
    [
        *ROOT.glob("deploy/demo/*.yaml"),
        *(DEVICES / name for name in ("gateways/senml.yaml", "meters/dsmr-reader-json.yaml")),
        ROOT / "tests/fixtures/contract-facility.yaml",
    ]
)
CHANGED = FILE.replace("co2_kg: 0.2,", "co2_kg: 0.3,").replace("max_rate: 1000", "max_rate: 2000")


def everything(url: str) -> list[object]:
    """All that a dry run could change."""
    tables = (
        "facility", "device", "channel", "channel_revision", "source", "source_revision",
        "source_input", "factor", "threshold", "recompute", "registry_revision",
    )  # fmt: skip
    with psycopg.connect(url) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608 # type: ignore[call-overload]
            for table in tables
        ]


def with_a_reading(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT id, %s, 1, 0, now(), 0 FROM channel WHERE slug = 'energy'",
            [datetime(2026, 11, 23, 18, tzinfo=UTC)],
        )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_given_back_applies_to_no_change(database_url: str, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    file = parse(text)
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        # the text is not kept, as of files that were applied before it was
        apply(connection, file)
        made = applied_file.text(connection.execute(applied_file.statement(file.facility.id)).one())
        assert apply(connection, parse(made), text=made) == []
        assert apply(connection, file, text=text) == []
        kept = applied_file.text(connection.execute(applied_file.statement(file.facility.id)).one())
        assert kept == text
    bind.dispose()


def test_a_text_that_is_not_known_gives_way_to_what_is_in_force(database_url: str) -> None:
    bind = engine(database_url, process="test")
    with bind.begin() as connection:
        apply(connection, parse(FILE), text=FILE)
        apply(connection, parse(CHANGED))
        found = applied_file.text(connection.execute(applied_file.statement("works")).one())
    bind.dispose()
    assert parse(found) == parse(CHANGED)


def test_the_command_tries_a_file_and_gives_it_back(database_url: str, tmp_path: Path) -> None:
    path, changed = tmp_path / "works.yaml", tmp_path / "changed.yaml"
    path.write_text(f"# ours\n{FILE}")
    changed.write_text(CHANGED)
    tried = tonne(database_url, "apply", "--dry-run", path)
    assert tried.code == 0, tried.stderr
    assert "+ source stack" in tried.stdout
    assert tonne(database_url, "export", "works").code == 1
    assert tonne(database_url, "apply", path).code == 0
    with_a_reading(database_url)
    before = everything(database_url)
    tried = tonne(database_url, "apply", "--dry-run", changed)
    assert tried.code == 0, tried.stderr
    assert "~ channel meter.energy" in tried.stdout
    assert "+ factor f" in tried.stdout
    assert "would be restated: source " in tried.stdout
    assert "max_rate 1000.0 -> 2000.0" in tried.stdout
    assert tried.stdout.endswith("nothing was changed\n")
    assert everything(database_url) == before
    given = tonne(database_url, "export", "works")
    assert given.stdout == f"# ours\n{FILE}"


async def test_the_api_tries_a_file_and_gives_it_back(
    database_url: str,
    client: httpx.AsyncClient,  # noqa: F811
) -> None:
    assert (await client.get("/v1/facilities/works")).status_code == 404
    text = f"# ours\n{FILE}"
    put = (await client.put("/v1/facilities/works", content=text)).json()
    assert (put["dry_run"], put["restated"]) == (False, [])
    with_a_reading(database_url)
    before = everything(database_url)
    tried = await client.put("/v1/facilities/works?dry_run=true", content=CHANGED)
    body = tried.json()
    assert body["dry_run"] is True
    assert "~ channel meter.energy" in body["changes"]
    assert any("max_rate 1000.0 -> 2000.0" in line for line in body["restated"])
    assert everything(database_url) == before
    given = await client.get("/v1/facilities/works")
    assert given.headers["content-type"].startswith("application/yaml")
    assert given.text == text
    done = (await client.put("/v1/facilities/works", content=CHANGED)).json()
    assert (done["changes"], done["restated"]) == (body["changes"], body["restated"])
