"""History out of other databases: by a query, of Home Assistant, of InfluxDB."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.core.store.database.connect import connect
from tests.command import tonne
from tests.integration.aggregator.plant import apply_text

FILE = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 7200, range: [0, 100]}
"""

#: Young, so that what is stored are rows.
BEGIN = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
HOURS = [BEGIN + timedelta(hours=i) for i in range(30)]

READINGS = """
SELECT c.slug, r.ts, r.value FROM reading r JOIN channel c ON c.id = r.channel_id ORDER BY 1, 2
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    apply_text(database_url, FILE)
    with connect(database_url, process="test", autocommit=True) as connection:
        yield connection


def backfilled(url: str, tmp_path: Path, table: str, *words: object) -> dict[str, Any]:
    path = tmp_path / "table.yaml"
    path.write_text(table)
    ended = tonne(url, "backfill", *words, "--table", path, "--json")
    assert ended.code == 0, ended.stderr
    (report,) = json.loads(ended.stdout)
    assert isinstance(report, dict)
    return report


def test_a_query_to_another_database(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    connection.execute("CREATE TABLE logger (at timestamptz, tag text, value numeric)")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO logger VALUES (%s, %s, %s)",
            [(hour, tag, i) for i, hour in enumerate(HOURS) for tag in ("E1", "P1", "X")],
        )
    table = """
facility: works
time: {column: at}
values:
  - {channel: meter.energy, column: value, where: {tag: E1}}
  - {channel: meter.power, column: value, where: {tag: P1}, unit: kW}
"""
    words = (database_url, "--query", "SELECT at, tag, value FROM logger ORDER BY at")
    assert backfilled(database_url, tmp_path, table, *words, "--dry-run")["stored"] == 60
    assert connection.execute(READINGS).fetchall() == []
    assert backfilled(database_url, tmp_path, table, *words)["stored"] == 60
    assert backfilled(database_url, tmp_path, table, *words)["duplicates"] == 60
    assert connection.execute(READINGS).fetchall() == [
        (channel, hour, float(i)) for channel in ("energy", "power") for i, hour in enumerate(HOURS)
    ]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT nothing FROM nowhere", 'relation "nowhere" does not exist'),
        (
            "SELECT nextval(pg_get_serial_sequence('channel', 'id')) AS at, 1 AS value",
            "read-only transaction",
        ),
        ("SELECT 1 AS a", "no column is called 'at'"),
    ],
)
@pytest.mark.usefixtures("connection")
def test_a_query_that_is_no_history_is_refused(
    database_url: str,
    tmp_path: Path,
    query: str,
    sentence: str,
) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("time: {column: at}\nvalues: [{channel: meter.energy, column: value}]")
    url = database_url.replace("tonne@", "tonne:very-secret@")
    words = ("backfill", url, "--query", query, "--table", path, "--facility", "works")
    ended = tonne(database_url, *words)
    assert ended.code == 1
    assert sentence in ended.stderr
    assert "very-secret" not in ended.stderr + ended.stdout


def test_a_database_that_is_away_is_told_without_its_password(
    database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("time: {column: at}\nvalues: [{channel: meter.energy, column: value}]")
    url = "postgresql://me:very-secret@127.0.0.1:1/history"
    ended = tonne(database_url, "backfill", url, "--query", "SELECT 1", "--table", path)
    assert ended.code == 1
    assert "connection" in ended.stderr
    assert "very-secret" not in ended.stderr + ended.stdout


#: The recorder's own columns, as far as they are read.
RECORDER = """
CREATE TABLE statistics_meta (
    id INTEGER PRIMARY KEY, statistic_id VARCHAR(255), source VARCHAR(32),
    unit_of_measurement VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255));
CREATE TABLE statistics (
    id INTEGER PRIMARY KEY, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT, mean FLOAT,
    min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
INSERT INTO statistics_meta VALUES
    (1, 'sensor.grid_energy', 'recorder', 'Wh', 0, 1, NULL),
    (2, 'sensor.grid_power', 'recorder', 'kW', 1, 0, NULL);
"""


def test_statistics_of_home_assistant(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "home-assistant_v2.db"
    recorder = sqlite3.connect(path)
    recorder.executescript(RECORDER)
    for i, hour in enumerate(HOURS):
        start = hour.timestamp()
        recorder.execute(
            "INSERT INTO statistics VALUES (NULL, 0, 1, ?, NULL, NULL, NULL, NULL, ?, ?)",
            (start, 500 + i, i * 1000),
        )
        recorder.execute(
            "INSERT INTO statistics VALUES (NULL, 0, 2, ?, ?, 0, 9, NULL, NULL, NULL)",
            (start, 5.5),
        )
    recorder.commit()
    # Home Assistant goes on while it is read
    table = """
facility: works
time: {column: end}
values:
  - channel: meter.energy
    column: sum
    where: {statistic_id: sensor.grid_energy}
    unit: {column: unit}
  - channel: meter.power
    column: mean
    where: {statistic_id: sensor.grid_power}
    unit: {column: unit}
"""
    assert backfilled(database_url, tmp_path, table, path)["stored"] == 60
    recorder.close()
    ends = [hour + timedelta(hours=1) for hour in HOURS]
    assert connection.execute(READINGS).fetchall() == [
        *(("energy", end, float(i)) for i, end in enumerate(ends)),
        *(("power", end, 5.5) for end in ends),
    ]


def test_an_export_of_influxdb(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "export.lp.gz"
    with gzip.open(path, "wt") as file:
        file.write("# DDL\nCREATE DATABASE plant WITH NAME autogen\n# DML\n")
        for i, hour in enumerate(HOURS):
            ns = int(hour.timestamp()) * 10**9
            file.write(f'energy,meter=grid,hall=1 value={i},note="a\\"b" {ns}\n')
            file.write(f"energy,meter=other value=1 {ns}\nm\\ 1,meter=grid kW=7i,ok=t {ns}\n")
    table = """
facility: works
time: {column: time, unit: ns}
values:
  - {channel: meter.energy, column: value, where: {measurement: energy, field: value, meter: grid}}
  - {channel: meter.power, column: value, where: {measurement: m 1, field: kW}, unit: kW}
"""
    report = backfilled(database_url, tmp_path, table, path)
    assert (report["stored"], report["refused"]) == (60, {})
    assert connection.execute(READINGS).fetchall() == [
        *(("energy", hour, float(i)) for i, hour in enumerate(HOURS)),
        *(("power", hour, 7.0) for hour in HOURS),
    ]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.db", b"not a database", "no database of Home Assistant"),
        ("a.lp", b"energy value= 1\n", "no line protocol"),
        ("a.csv", b"time,value\n", "`tonne import` takes other files"),
        ("none.db", None, "there is no such file"),
    ],
)
def test_what_is_no_history_is_told(
    database_url: str, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "table.yaml"
    path.write_text("facility: f\ntime: {column: time}\nvalues: [{channel: m.e, column: value}]")
    ended = tonne(database_url, "backfill", tmp_path / name, "--table", path)
    assert ended.code == 1
    assert sentence in ended.stderr
    # nothing to ask, or somebody to ask and nothing
    for words in ((tmp_path / name, "--query", "SELECT 1"), ("postgresql://h/d",)):
        assert "needs --query" in tonne(database_url, "backfill", *words, "--table", path).stderr
