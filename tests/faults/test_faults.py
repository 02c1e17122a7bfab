"""A short run of the fault rounds; `make faults` plays hundreds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.faults import packing_rounds
from tests.faults.books import Books
from tests.faults.door_rounds import play as play_door
from tests.faults.door_rounds import senders
from tests.faults.door_world import running_door_world
from tests.faults.facility import entries
from tests.faults.oracle import recomputed
from tests.faults.packing import packing_world
from tests.faults.publisher import Publisher
from tests.faults.rounds import play
from tests.faults.table import write_table

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(600)]


def test_no_acknowledged_reading_is_lost_or_counted_twice() -> None:
    with packing_world() as world:
        books = Books()
        publisher = Publisher(world.broker.port, books)
        try:
            # kill -9 of ingest, of the broker, a stalled database
            for number in (0, 2, 13):
                played = play(world, publisher, books, 7, number)
                assert played.passed, played
            # days are packed, opened by ingest, and computed where they lie packed
            for number in (36, 45, 48):
                packed = packing_rounds.play(world, publisher, books, 7, number)
                assert packed.passed, packed
        finally:
            publisher.close()
    assert books.count > 1000


def test_by_no_way_in_is_anything_lost_or_counted_twice() -> None:
    with running_door_world() as world:
        books = Books()
        every = senders(world, books)
        # cut connections, and what reads a file killed; a backfill stands for an import too
        for number in (0, 1, 3, 4, 5, 6, 7, 8):
            played = play_door(world, every, books, 1, number)
            assert played.passed, played
    assert books.count > 1000


def test_a_table_replaces_its_own_and_leaves_the_other(tmp_path: Path) -> None:
    page, journal = tmp_path / "faults.md", tmp_path / "rounds.jsonl"
    page.write_text(
        "# Faults\n\n## One\n\n<!-- the table of the last run; `make faults SOURCE=mqtt` writes it"
        " -->\n\nold\n\n## Other\n\nstays\n"
    )
    findings = {"lost": 0, "invented": 0, "wrong_minutes": 0, "quarantined": 0}
    played = {"faults": ["kill -9 ingest"], "messages": 5, "passed": True, "recovery_s": 1.5}
    journal.write_text(json.dumps({**played, "findings": findings}) + "\n")
    write_table(journal, page, seed=3, source="mqtt")
    text = page.read_text()
    assert "old" not in text
    readings = sum(len(entry.values) for entry in entries(0, 5, random.Random(1)))
    assert f"Seed 3, 1 rounds, {readings} acknowledged readings: 0 failed." in text
    assert text.endswith("| kill -9 ingest | 1 | 0 | 0 | 0 | 0 | 1.5 s |\n\n## Other\n\nstays\n")


def test_the_plain_recomputation_knows_what_a_minute_is() -> None:
    readings = {
        "f-meter.energy": {0: 10.0, 90_000: 13.0},
        "f-meter.power": {0: 100.0, 30_000: 200.0},
        "f-cems.co2": {0: 10.0},
        "f-cems.flow": {30_000: 1e5},
    }
    found = recomputed(readings)
    assert found["register", 0] == (pytest.approx(2.0 * 0.25), 60.0)
    assert found["register", 1] == (pytest.approx(1.0 * 0.25), 30.0)
    assert found["gauge", 0] == (pytest.approx(150.0 / 60 * 0.25), 60.0)
    assert found["gauge", 1] == (pytest.approx(200.0 / 120 * 0.25), 30.0)
    assert found["stack", 0] == (pytest.approx(5.7e-7 * 10 * 1e5 * 907.18474 / 120), 30.0)
