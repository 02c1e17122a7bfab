"""A facility that sends while it moves to another cell: every reading is there, once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from services.core.facility.organisation_file import parse_organisation
from services.core.store.database.connect import engine
from services.core.store.registry.organisations import apply_organisation, remove_organisation
from tests.integration.ingest.plant import FILE, Plant
from tests.integration.ingest.test_filter_changes import OVERLAP
from tests.integration.ingest.test_retired_facility import OWN_TOPIC, POW1, reading
from tests.patience import until
from tests.services import Mosquitto, Postgres

pytestmark = [pytest.mark.broker, pytest.mark.database]


@pytest.fixture
def other(
    postgres_cluster: Postgres, migrated_template: str, mosquitto: Mosquitto, tmp_path: Path
) -> Iterator[Plant]:
    """The ingest of another cell, with a broker of its own."""
    with postgres_cluster.fresh_database(template=migrated_template) as url:
        made = Plant(database=url, broker=mosquitto, url=mosquitto.url, log=tmp_path / "b.log")
        yield made
        made.kill()


def tonne(*words: str) -> Result:
    result = CliRunner().invoke(app, ["cells", *words])
    assert result.exit_code == 0, result.output
    return result


def energy(number: int) -> str:
    return json.dumps({"t": 1_700_000_000_000 + 1000 * number, "e": number})


def stored(plant: Plant) -> list[tuple[str, int]]:
    rows = plant.rows(
        "SELECT c.slug, extract(epoch FROM r.ts)::int8 - 1700000000 AS number FROM reading r"
        " JOIN channel c ON c.id = r.channel_id ORDER BY 1, 2"
    )
    return [(row["slug"], row["number"]) for row in rows]


def payloads(plant: Plant) -> set[str]:
    rows = plant.rows("SELECT convert_from(payload, 'UTF8') AS text FROM quarantine")
    return {row["text"] for row in rows}


def test_every_reading_is_in_the_new_cell_once(
    plant: Plant, other: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONNE_DATABASE_URL", plant.database)
    monkeypatch.setenv("TONNE_CELLS", f"b={other.database}")
    assert "b is cell number 1" in tonne("add", "b").output
    plant.apply(FILE + POW1)
    plant.started(**OVERLAP)
    numbers = itertools.count()

    def publish() -> None:
        number = next(numbers)
        plant.publish(reading(number))
        plant.publish(energy(number), topic=OWN_TOPIC)

    publish()
    until(lambda: len(stored(plant)) == 2, "ingest is at work")
    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(tonne, "move", "linz", "--to", "b")
        while not moving.done():
            publish()
        said = moving.result().output
    assert "linz lives in cell b" in said
    # nobody told the devices
    for _ in range(5):
        publish()
    sent = next(numbers)
    last = {reading(sent - 1), energy(sent - 1)}
    until(lambda: last <= payloads(plant), "ingest has taken all of them")
    until(lambda: not stored(plant), "nothing of it is here")
    reasons = {row["reason"] for row in plant.rows("SELECT reason FROM quarantine")}
    assert reasons <= {"moved_facility", "refused_by_database"}
    assert "moved_facility" in reasons
    listed = json.loads(tonne("list", "--json").stdout)
    assert [(row["cell"], row["facility"], row["state"]) for row in listed] == [
        ("home", "", "empty"),
        ("b", "linz", "living"),
    ]

    assert "handed over from cell home to cell b" in tonne("forward").output

    def is_empty() -> bool:
        tonne("forward")
        return not plant.rows("SELECT id FROM quarantine")

    until(is_empty, "what the broker gives twice is handed over too")
    other.started()
    everything = [(name, number) for name in ("e", "import-power") for number in range(sent)]
    until(lambda: stored(other) == everything, "every reading is in the new cell, once")
    # and what came twice is tried as well
    until(
        lambda: not other.rows("SELECT id FROM quarantine WHERE state = 'open'"),
        "nothing of it waits there",
        explain=lambda: str(other.rows("SELECT * FROM quarantine WHERE state = 'open' LIMIT 3")),
    )
    assert stored(other) == everything
    # whoever asks again finds nothing to do but what was not tried
    with psycopg.connect(other.database, autocommit=True) as connection:
        connection.execute("UPDATE quarantine SET state = 'open' WHERE reason = 'moved_facility'")
    assert "linz lives in cell b already" in tonne("move", "linz", "--to", "b").output
    until(
        lambda: not other.rows("SELECT id FROM quarantine WHERE state = 'open'"),
        "what was handed over is tried",
    )


def test_what_cannot_move_is_told(
    plant: Plant, other: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(*words: str) -> str:
        result = CliRunner().invoke(app, ["cells", *words])
        assert result.exit_code == 1, result.output
        return result.output

    monkeypatch.setenv("TONNE_DATABASE_URL", plant.database)
    assert "TONNE_CELLS names no cell: set it to NAME=" in refused("list")
    monkeypatch.setenv("TONNE_CELLS", f"postgresql://secret@x b={other.database}")
    told = refused("list")
    assert "TONNE_CELLS: entry 1 is not of the form NAME=" in told
    assert "secret" not in told
    monkeypatch.setenv("TONNE_CELLS", f"b={other.database}")
    assert "cell home is no cell yet: run `tonne cells add NAME`" in refused("list")
    tonne("add", "b")
    assert "TONNE_CELLS names no cell c" in refused("move", "linz", "--to", "c")
    assert "there is no facility graz in any cell" in refused("move", "graz", "--to", "b")
    assert "linz is not moving" in refused("cancel", "linz")
    monkeypatch.setenv("TONNE_CELLS", f"c={other.database}")
    assert "is cell b already: correct TONNE_CELLS" in refused("add", "c")
    monkeypatch.setenv("TONNE_CELLS", f"b={other.database}")
    file = tmp_path / "group.yaml"
    file.write_text("organisation: {id: group, name: Group}\nfacilities: [{id: linz}]\n")
    assert CliRunner().invoke(app, ["apply", str(file)]).exit_code == 0
    plant.apply(FILE + POW1)
    moved = tonne("move", "linz", "--to", "b").output
    assert "organisation group counts with it: let the aggregator of the home cell" in moved
    assert "no cell but home has an organisation group" in refused("bring-home", "group")
    # what a cell had before organisations were the home cell's
    bind = engine(other.database, process="test")
    for slug, name in (("group", "Group"), ("old", "Old"), ("old", "New")):
        text = f"organisation: {{id: {slug}, name: {name}}}\nfacilities: [{{id: linz}}]\n"
        with bind.begin() as connection:
            apply_organisation(connection, parse_organisation(text))
    with bind.begin() as connection:
        remove_organisation(connection, "group", by=None, reason=None)
    bind.dispose()
    report = CliRunner().invoke(app, ["report", "emissions", "2025", "--organisation", "old"])
    assert (report.exit_code, "`tonne cells bring-home old`" in report.output) == (1, True)
    told = refused("move", "linz", "--to", "home")
    assert "organisation old of cell b counts with facility linz" in told
    assert "`tonne cells bring-home old`" in told
    assert "an organisation group as well" in refused("bring-home", "group")
    assert "old is the home cell's, with 2 versions; it was cell b's" in (
        tonne("bring-home", "old").output
    )
    assert "no cell but home has an organisation old" in refused("bring-home", "old")
    names = [row["spec"]["organisation"]["name"] for row in plant.rows(
        "SELECT spec FROM organisation_revision r JOIN organisation o ON o.id = organisation_id"
        " WHERE slug = 'old' ORDER BY known_at"
    )]  # fmt: skip
    assert names == ["Old", "New"]
    noted = "SELECT action FROM audit_entry WHERE subject = 'old' ORDER BY id DESC LIMIT 1"
    assert [row["action"] for row in plant.rows(noted)] == ["organisation.apply"]
    assert [row["action"] for row in other.rows(noted)] == ["organisation.remove"]
    assert "linz lives in cell home" in tonne("move", "linz", "--to", "home").output
