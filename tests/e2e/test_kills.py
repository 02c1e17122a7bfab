"""Every process is killed while devices publish, and not one gram is lost or counted twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack import Stack
from tests.patience import PATIENCE_S, until
from tests.services import Nats, Postgres, Server

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(600)]

#: For how long a killed process stays away: several samples of every device.
OUTAGE_S = 1.5

#: What the simulated facilities feed with a register, whose coverage ends at the newest reading.
METERED = (
    ("aschach", "grid-hall-1"),
    ("aschach", "grid-hall-2"),
    ("aschach", "boiler"),
    ("delta-campus", "campus-grid"),
)

HOUSEHOLD = Path(__file__).parents[1] / "fixtures" / "household-hourly-kwh-2023-01.csv"

Key = tuple[str, str, str]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def told_until(stack: Stack, begin: datetime, facility: str, source: str) -> datetime | None:
    """The newest reading that the totals of a metered source speak of."""
    rows = stack.try_get(
        "/v1/emissions", facility=facility, source=source, interval="1m",
        **{"from": begin.isoformat()},
    )  # fmt: skip
    if not rows:
        return None
    return begin + timedelta(seconds=sum(row["coverage"] * 60 for row in rows))


def tells_of(stack: Stack, begin: datetime, since: datetime) -> bool:
    """Whether every metered source's totals speak of readings taken after ``since``."""
    known_until = [told_until(stack, begin, facility, source) for facility, source in METERED]
    return all(until is not None and until > since for until in known_until)


def wait_until_it_works_again(stack: Stack, begin: datetime) -> None:
    since = datetime.now(UTC)
    until(lambda: tells_of(stack, begin, since), "new readings reach the totals")


def first_reading(stack: Stack) -> datetime | None:
    rows = stack.get("/v1/readings", facility="aschach", device="meter-hall-1")
    return min((instant(row["time"]) for row in rows), default=None)


def holds(stack: Stack, readings: int) -> bool:
    return stack.readings() >= readings


@contextmanager
def nothing_written_to(stack: Stack, table: str) -> Iterator[None]:
    """Let whoever writes to a table wait in the middle of its transaction."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield


def stuck(stack: Stack, process: str) -> bool:
    """Whether a service waits for a lock in the database."""
    with psycopg.connect(stack.database_url) as connection:
        return bool(
            connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name LIKE %s || ' %%' AND wait_event_type = 'Lock'",
                (process,),
            ).fetchall()
        )


def fall_and_rise(server: Server) -> None:
    """Kill a process and start it again after a while."""
    server.kill()
    time.sleep(OUTAGE_S)
    server.start()


def said_at_the_end_by(simulator: subprocess.Popen[str], truth: Path) -> dict[str, Any]:
    """Wait for the simulator's end; return what it says it emitted."""
    _, complaints = simulator.communicate(timeout=PATIENCE_S * 2)
    assert simulator.returncode == 0, complaints
    return json.loads(truth.read_text())  # type: ignore[no-any-return]


def emitted(report: dict[str, Any]) -> dict[Key, tuple[float, float]]:
    """Kilograms and covered seconds by facility, source and minute, as the simulator tells them."""
    return {
        (facility["id"], source["id"], minute["time"]): (minute["co2_kg"], minute["covered_s"])
        for facility in report["facilities"]
        for source in facility["sources"]
        for minute in source["minutes"]
    }


def served(stack: Stack, report: dict[str, Any]) -> dict[Key, tuple[float, float]]:
    """The same from ``/v1/emissions``; minutes without data are left out."""
    begin = instant(report["from"]) - timedelta(hours=2)
    facilities = [facility["id"] for facility in report["facilities"]]
    rows = stack.get(
        "/v1/emissions", interval="1m", facility=facilities, **{"from": begin.isoformat()}
    )
    return {
        (row["facility"], row["source"], f"{row['time'].removesuffix('Z')}.000Z"): (
            row["co2_kg"],
            row["coverage"] * 60,
        )
        for row in rows
        if row["coverage"] > 0
    }


def assert_the_truth(stack: Stack, report: dict[str, Any], *, before: int = 0) -> None:
    """Wait until everything published is stored, then compare minute by minute."""
    expected = emitted(report)
    values = before + report["values"]
    until(lambda: stack.readings() == values, "every value is stored")
    until(stack.settled, "it is aggregated")
    found = served(stack, report)
    assert found.keys() == expected.keys()
    for key, (co2_kg, covered_s) in expected.items():
        assert found[key][0] == pytest.approx(co2_kg, abs=1e-6), key
        assert found[key][1] == pytest.approx(covered_s, abs=2e-3), key
    assert stack.get("/v1/quarantine", state="all") == []
    until(stack.ready, "/readyz says ready")


def test_killing_every_process_one_after_the_other_changes_no_total(
    stack: Stack, broker: Nats, postgres_cluster: Postgres, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.json"
    # two minutes that are over, quickly, and then the present at its own pace
    simulator = stack.simulator(
        "run", "--seed", "11", "--interval", "1", "--start", ago(seconds=120), "--speed", "30",
        "--drain", "60", "--truth", str(truth),
    )  # fmt: skip
    begin = until(lambda: first_reading(stack), "the first reading is stored")
    wait_until_it_works_again(stack, begin)
    for server in (stack.ingest, stack.aggregator, stack.api, broker, postgres_cluster):
        fall_and_rise(server)
        wait_until_it_works_again(stack, begin)
    assert simulator.poll() is None
    simulator.send_signal(signal.SIGTERM)
    assert_the_truth(stack, said_at_the_end_by(simulator, truth))


def test_killing_the_writers_at_random_moments_changes_no_total(
    stack: Stack, tmp_path: Path
) -> None:
    dice = random.Random(4)
    truth = tmp_path / "truth.json"
    (tmp_path / "works.yaml").write_text(stack.simulate("facility-file", "--facility", "works-2"))
    stack.apply(tmp_path / "works.yaml")
    before = stack.readings()
    # hundreds of values a second, for longer than the kills take: a kill falls into a batch
    simulator = stack.simulator(
        "run", "--profile", "plant", "--facility", "works-2", "--seed", "12", "--interval", "2",
        "--start", ago(hours=3), "--speed", "120", "--drain", "60", "--truth", str(truth),
    )  # fmt: skip
    for victims in ("i", "a", "ai"):
        enough = stack.readings() + dice.randrange(50, 600)
        until(partial(holds, stack, enough), f"{enough} readings are stored")
        for victim in victims:
            (stack.ingest if victim == "i" else stack.aggregator).kill()
        for victim in victims:
            (stack.ingest if victim == "i" else stack.aggregator).start()
    simulator.send_signal(signal.SIGTERM)
    assert_the_truth(stack, said_at_the_end_by(simulator, truth), before=before)


def test_killing_the_writers_within_a_transaction_leaves_nothing_half_done(stack: Stack) -> None:
    before = stack.readings()
    with nothing_written_to(stack, "reading"):
        stack.simulate(
            "replay", str(HOUSEHOLD), "--facility", "home", "--device", "household", "--channel",
            "energy",
        )  # fmt: skip
        until(lambda: stuck(stack, "tonne.ingest"), "ingest is writing")
        stack.ingest.kill()
    with nothing_written_to(stack, "emission_minute"):
        stack.ingest.start()
        until(lambda: stuck(stack, "tonne.aggregator"), "the aggregator is writing")
        stack.aggregator.kill()
    stack.aggregator.start()
    until(lambda: stack.readings() == before + 744, "every value is stored")
    until(stack.settled, "it is aggregated")
    rows = stack.get(
        "/v1/emissions", facility="home", interval="1h",
        **{"from": "2022-12-31T22:00:00Z", "to": "2023-01-31T22:00:00Z"},
    )  # fmt: skip
    assert sum(row["co2_kg"] or 0.0 for row in rows) == pytest.approx(245.19925, abs=1e-5)
    assert stack.get("/v1/quarantine", state="all") == []
