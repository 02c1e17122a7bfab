"""History from files is judged and counts as if devices had sent it, and is packed at once."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from services.aggregator import minute_rollover
from services.aggregator.tick import tick
from services.core.runtime.settings import Settings
from services.core.runtime.shutdown import Shutdown
from services.core.store.database import locks
from services.core.store.database.connect import connect
from services.core.store.packing import opened
from services.core.store.readings import history
from services.core.store.readings.archive import month_file
from services.core.store.readings.archive.months import ArchivedChannel
from services.core.store.readings.packing import days
from services.core.store.registry.plan import facility_plans
from services.core.timeline.instants import to_minute
from services.ingest.database import Database
from services.ingest.files import history as waiting
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.allowance import Allowance
from services.ingest.resolve import RegistryCache
from services.ingest.sources.source import Message
from services.ingest.write import write
from tests.command import tonne
from tests.forked import Forked
from tests.integration.aggregator.plant import apply_text
from tests.patience import PATIENCE_S, until
from tests.services import as_login

FILE = """
facility: {id: FACILITY, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter, max_rate: 1000}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 7200, range: [0, 100]}
factors: [{id: f, unit: kWh, co2_kg: 0.25, citation: a}]
sources: [{id: s, scope: 2, method: activity, input: meter.energy, factor: f}]
"""

BEGIN = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=60)
HEADER = ("time", "facility", "device", "channel", "value", "unit", "quality")
#: Time, channel, value, unit and quality as they stand in a file.
Row = tuple[str, str, str, str, str]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    for facility in ("file", "wire"):
        apply_text(database_url, FILE.replace("FACILITY", facility))
    with connect(database_url, process="test", autocommit=True) as connection:
        yield connection


def some_rows(rng: random.Random, hours: int) -> list[Row]:
    """Three days of history and a little of today, with all that may be wrong, in order of time."""
    rows: list[Row] = []
    energy = 0.0
    for begin, count in ((BEGIN, hours), (datetime.now(UTC) - timedelta(hours=6), 6)):
        for number in range(count):
            ts = (begin + timedelta(hours=number)).isoformat()
            energy += rng.random()
            rows.append((ts, "energy", repr(energy), "", ""))
            rows.append((ts, "power", *rng.choice(POWER)))
            if rng.random() < 0.2:
                # the same again, or something else for the same time
                rows.append(rng.choice([rows[-1], (ts, "power", "7.5", "", "")]))
    strange = [
        ("1999-12-31T00:00:00Z", "energy", "1", "", ""),
        ("1970-01-01T00:00:05Z", "power", "1", "", ""),
        ((datetime.now(UTC) + timedelta(days=2)).isoformat(), "energy", "1", "", ""),
        (f"{BEGIN:%Y-%m-%dT%H:%M:%S}", "energy", "1", "", ""),
        ("yesterday", "energy", "1", "", ""),
        (f"{BEGIN.timestamp() + 7:.0f}", "power", "3", "", ""),
        (f"{BEGIN.timestamp() * 1000 + 8000:.0f}", "power", "4", "", ""),
        (BEGIN.isoformat(), "heat", "1", "", ""),
    ]
    for row in strange:
        rows.insert(rng.randrange(len(rows)), row)
    return rows


#: Value, unit and quality.
POWER = [
    *[("12.5", "", ""), ("0.25", "kW", "good")] * 6,
    ("9000", "W", "uncertain"),
    ("1", "kWh", ""),
    ("500", "", ""),
    ("500", "", "calibration"),
    ("", "", ""),
    ("", "", "bad"),
    ("nan", "", ""),
    ("1_0", "", ""),
    ("twelve", "", ""),
    ("3.4028235e38", "", ""),
    ("3", "", "splendid"),
]


def sent_by_wire(url: str, rows: Sequence[Row], pieces: int) -> None:
    """Let devices of the facility ``wire`` send the rows, one in each message."""
    registry = RegistryCache()
    database = Database(url, Shutdown())
    database.run(lambda c, _: registry.refresh(c))
    bounds = TimeBounds(
        oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=10)
    )
    messages = []
    for ts, channel, value, unit, quality in rows:
        sent: dict[str, Any] = {"v": _cell(value) if value else None}
        sent |= {"u": unit} if unit else {}
        sent |= {"q": quality} if quality else {}
        payload = json.dumps({"ts": _cell(ts), "values": {channel: sent}}).encode()
        messages.append(
            Message(
                topic="emissions/wire/meter/readings",
                payload=payload,
                received_at=datetime.now(UTC),
                token=None,
                redelivered=True,
            )
        )
    for begin in range(0, len(messages), pieces):
        prepared = prepare(messages[begin : begin + pieces], registry.directory, bounds)
        write(database, prepared, Allowance())
    database.close()


def _cell(text: str) -> Any:
    try:
        return text if "_" in text or text == "nan" else float(text)
    except ValueError:
        return text


def write_csv(path: Path, rows: Sequence[Row], facility: str = "file") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(
            (ts, facility, "meter", channel, value, unit, quality)
            for ts, channel, value, unit, quality in rows
        )
    return path


READINGS = """
SELECT c.slug, r.ts, r.value, r.quality FROM reading r
JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id
WHERE f.slug = %s ORDER BY 1, 2
"""
CORRECTIONS = """
SELECT c.slug, x.ts, x.old_value, x.old_quality FROM reading_correction x
JOIN channel c ON c.id = x.channel_id JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id
WHERE f.slug = %s ORDER BY 1, 2, 3
"""


def readings(connection: psycopg.Connection[Any], facility: str) -> list[tuple[Any, ...]]:
    """Everything that is stored of a facility, packed days included."""
    ids = [i for (i,) in connection.execute("SELECT id FROM channel ORDER BY id").fetchall()]
    with opened.snapshot(connection):
        history.open_span(
            connection, ids, datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
        )
        return connection.execute(READINGS, (facility,)).fetchall()


def refusals(connection: psycopg.Connection[Any], facility: str) -> Counter[tuple[Any, ...]]:
    """What lies in quarantine of a facility, whenever it came."""
    return Counter(
        connection.execute(
            "SELECT reason, channel, ts, value, quality, stored_value, payload_text, detail"
            " FROM (SELECT *, CASE WHEN reason <> 'conflict' THEN convert_from(payload, 'UTF8')"
            " END::jsonb ->> 'values' AS payload_text FROM quarantine) q WHERE facility = %s",
            (facility,),
        ).fetchall()
    )


PACKED = "SELECT channel_id, day, id, readings, digest FROM packed_readings ORDER BY 1, 2"


@pytest.mark.parametrize("seed", range(2))
def test_rows_of_a_file_become_what_devices_would_have_made_of_them(
    connection: psycopg.Connection[Any],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(waiting, "MAX_ROWS", rng.choice([40, 150, 10_000]))
    monkeypatch.setattr(waiting, "_PIECE_ROWS", rng.choice([1, 60]))
    monkeypatch.setenv("TONNE_ALONE_AFTER_DAYS", "0")
    rows = some_rows(rng, 24 * 5)
    if seed == 1:
        rows.sort(key=lambda row: row[1])
    # a part of a day is there already, of both
    before = rows[10:20]
    sent_by_wire(database_url, before, 5)
    tonne(database_url, "import", write_csv(tmp_path / "before.csv", before))
    sent_by_wire(database_url, rows, rng.choice([3, 1000]))
    ended = tonne(database_url, "import", write_csv(tmp_path / "rows.csv", rows))
    assert readings(connection, "file") == readings(connection, "wire")
    assert refusals(connection, "file") == refusals(connection, "wire")
    corrections = [connection.execute(CORRECTIONS, (f,)).fetchall() for f in ("file", "wire")]
    assert corrections[0] == corrections[1]
    assert ended.code == 1
    packed = connection.execute(PACKED).fetchall()
    assert packed
    stored = readings(connection, "file")
    report = imported(database_url, tmp_path / "rows.csv")
    assert report["read"] == len(rows)
    assert report["stored"] == 0
    assert readings(connection, "file") == stored
    assert connection.execute(PACKED).fetchall() == packed
    assert refusals(connection, "file") == refusals(connection, "wire")


def imported(url: str, *words: object) -> dict[str, Any]:
    """Import, and return the report."""
    ended = tonne(as_login(url, "tonne_ingest"), "import", "--json", *words)
    report: dict[str, Any] = json.loads(ended.stdout)[0]
    return report


def regular(facility: str, days: int, *, step_kwh: float = 0.25) -> list[tuple[str, ...]]:
    """Quarter hours of a register, as rows of a file."""
    return [
        (
            (BEGIN + timedelta(minutes=15 * k)).isoformat(),
            facility,
            "meter",
            "energy",
            repr(1000 + k * step_kwh),
        )
        for k in range(days * 96)
    ]


def write_rows(path: Path, rows: Sequence[tuple[str, ...]], header: Sequence[str]) -> Path:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=";").writerows([header, *rows])
    sent = text.getvalue().encode()
    path.write_bytes(gzip.compress(sent) if path.suffix == ".gz" else sent)
    return path


WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
HOURS = """
SELECT h.hour, h.activity_n, h.co2_ug, h.covered_ms, h.final FROM emission_hour h
JOIN source s ON s.id = h.source_id JOIN facility f ON f.id = s.facility_id
WHERE f.slug = %s AND h.covered_ms > 0 ORDER BY 1
"""


def test_a_killed_import_goes_on_where_it_was_and_counts_as_what_devices_send(
    connection: psycopg.Connection[Any],
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two facilities one is durable when it dies; nothing is lost and nothing twice."""
    rows = [*regular("file", 3), *regular("wire", 3)]
    path = write_rows(tmp_path / "rows.csv.gz", rows, HEADER[:5])
    of_facility = dict(connection.execute("SELECT slug, id FROM facility").fetchall())
    last = max(of_facility, key=lambda slug: of_facility[slug])
    first = min(of_facility, key=lambda slug: of_facility[slug])
    environment = {**os.environ, "TONNE_DATABASE_URL": database_url}
    with (tmp_path / "log").open("w") as log, connection.transaction():
        # the second facility's packed days are somebody else's
        connection.execute(
            "SELECT pg_advisory_xact_lock_shared(%s, %s)", (locks.HISTORY, of_facility[last])
        )
        process = Forked(["import", str(path)], environment=environment, stdout=log.fileno())
        until(lambda: connection.execute(WAITING).fetchone() == (1,), "it waits")
        process.kill()
        process.wait(PATIENCE_S)
    until(lambda: connection.execute(WAITING).fetchone() == (0,), "its session has ended")
    assert len(readings(connection, first)) == 288
    assert readings(connection, last) == []
    kept = connection.execute(PACKED).fetchall()
    report = imported(database_url, path)
    assert (report["stored"], report["duplicates"], report["refused"]) == (288, 288, {})
    assert set(kept) <= set(connection.execute(PACKED).fetchall())
    assert [r[1:] for r in readings(connection, "file")] == [
        r[1:] for r in readings(connection, "wire")
    ]
    # a day more, as devices send it and from a file, beside what is packed
    more = regular("wire", 4)
    sent_by_wire(database_url, [(r[0], "energy", r[4], "", "") for r in more], 1000)
    write_rows(path, regular("file", 4), HEADER[:5])
    report = imported(database_url, path)
    assert (report["stored"], report["duplicates"]) == (96, 288)
    # what has come to rest is closed at once
    monkeypatch.setattr(minute_rollover, "SETTLE_S", 0.0)
    warm_from = to_minute(datetime.now(UTC)) // 1440 - 35
    for plan in facility_plans(connection).values():
        for later in range(2):
            now = datetime.now(UTC) + timedelta(minutes=later)
            while tick(connection, plan, now, pack_before=warm_from).worked:
                pass
    hours = [connection.execute(HOURS, (facility,)).fetchall() for facility in ("file", "wire")]
    assert hours[0] == hours[1]
    assert len(hours[0]) == 4 * 24
    assert sum(row[1] for row in hours[0]) == (4 * 96 - 1) * 250_000_000
    verified = json.loads(
        tonne(as_login(database_url, "tonne_aggregate"), "verify", "--json").stdout
    )
    assert (verified["differs"], verified["unknown"]) == ([], 0)
    assert verified["checked"] >= 2 * 4 * 24


def test_a_dry_run_counts_as_the_import_does_and_stores_nothing(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    # what contradicts itself is known when one of both is stored
    by_key = {row[:2]: row for row in some_rows(random.Random(7), 30)}
    rows = [*by_key.values(), *list(by_key.values())[:9]]
    path = write_csv(tmp_path / "rows.csv", rows)
    first = imported(database_url, "--dry-run", path)
    assert readings(connection, "file") == []
    for table in ("packed_readings", "touched", "quarantine", "replay_request"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
    second = imported(database_url, path)
    assert readings(connection, "file")
    for report in (first, second):
        del report["seconds"]
    assert first == second


def test_the_login_of_ingest_imports_and_that_of_people_is_told(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TONNE_DATABASE_URL", raising=False)
    local = conninfo_to_dict(Settings().of_process("import").database)
    assert local["user"] == "tonne_ingest"
    path = write_rows(tmp_path / "rows.csv", [], HEADER)
    ended = tonne(as_login(database_url, "tonne_admin"), "import", path)
    assert ended.code == 1
    assert "permission denied" in ended.stderr


def test_wide_files_and_stated_names_and_units(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    """A column for each channel; an empty cell is no reading."""
    wide = write_rows(
        tmp_path / "wide.csv",
        [(r[0], "1000" if k % 2 else "", r[4]) for k, r in enumerate(regular("file", 1))],
        ("ts", "meter.power", "meter.energy"),
    )
    report = imported(database_url, "--facility", "file", "--unit", "kW", wide)
    assert report["refused"] == {"unit_not_convertible": 96, "out_of_range": 48}
    taken = report["stored"] + report["duplicates"]
    assert report["read"] == taken + sum(report["refused"].values()) - report["gaps"]
    assert report["gaps"] == 48
    narrow = write_rows(
        tmp_path / "narrow.csv", [(r[0], r[4]) for r in regular("file", 1)], ("time", "value")
    )
    words = ("--facility", "file", "--channel", "meter.energy", "--unit", "Wh", narrow)
    assert imported(database_url, *words)["stored"] == 96
    assert readings(connection, "file")[1][2] == 1000.25 / 1000


def test_what_tonne_exports_comes_back(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    """The Parquet of an archive, of another facility, and the CSV of the API's readings."""
    rows = [row for row in some_rows(random.Random(3), 48) if row[0] < BEGIN.isoformat() + "9"]
    tonne(database_url, "import", write_csv(tmp_path / "rows.csv", rows))
    names = {i: slug for slug, i in connection.execute(CHANNELS, ("file",)).fetchall()}
    parts = []
    for channel_id, *row in connection.execute(
        "SELECT channel_id, day, days, series, arrival FROM packed_readings ORDER BY 1, 2"
    ).fetchall():
        channel = ArchivedChannel(
            device="meter", channel=names[channel_id], unit="?", id=channel_id
        )
        units = {"energy": "kWh", "power": "kW"}
        channel = replace(channel, unit=units[channel.channel])
        parts.append((channel, days.unpacked(channel_id, *row)))
    assert parts
    month_file.write(tmp_path / "wire.parquet", "wire", {}, parts)
    report = imported(database_url, tmp_path / "wire.parquet")
    packed = connection.execute(
        "SELECT sum(readings) FROM packed_readings p JOIN channel c ON c.id = p.channel_id"
    ).fetchone()
    assert packed == (2 * report["stored"],)
    assert report["refused"] == {}
    assert imported(database_url, tmp_path / "wire.parquet")["duplicates"] == report["read"]


CHANNELS = """
SELECT c.slug, c.id FROM channel c JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id WHERE f.slug = %s
"""


def test_a_clock_that_was_never_set_is_told_from_history(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    """Years before the rest of a file is a back-fill; one reading there is a wrong clock."""
    old = datetime(2003, 5, 5, tzinfo=UTC)
    many = [((old + timedelta(hours=k)).isoformat(), "power", "1", "", "") for k in range(24)]
    lone = ("2006-05-05T00:00:00Z", "power", "1", "", "")
    unset = ("2010-01-01T00:00:05Z", "power", "1", "", "")
    report = imported(database_url, write_csv(tmp_path / "rows.csv", [*many, lone, unset]))
    assert report["stored"] == 24
    assert report["refused"] == {"stands_alone": 2}
    assert {refusal["line"] for refusal in report["refusals"]} == {26, 27}
    del connection


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a;b\n1;2\n", "rows.csv: no column is called time"),
        ("time;value;valeu\n", "column 'valeu' means nothing"),
        ("time;device;value\n", "no column is called channel: add one, or give --channel"),
        ("time;meter.energy\n", "no column is called facility: add one, or give --facility"),
        ("time;time;value\n", "column 'time' is there twice"),
        ("time;facility;device;channel;value;thinned\n2026-01-01;a;b;c;1;true\n", "raw=true"),
        ('time;facility;device;channel;value\n"2026', "it is no CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    database_url: str, tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    ended = tonne(database_url, "import", path)
    assert ended.code == 1
    assert sentence in ended.stderr


def test_a_line_of_another_shape_is_refused_and_the_others_are_stored(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    rows = [*regular("file", 1)]
    rows.insert(3, (rows[0][0], "file"))
    report = imported(database_url, write_rows(tmp_path / "rows.csv", rows, HEADER[:5]))
    assert (report["stored"], report["refused"]) == (96, {"misshapen": 1})
    assert report["refusals"][0]["line"] == 5
    assert len(readings(connection, "file")) == 96


def test_rows_that_are_alike_are_refused_with_a_line_for_each(
    connection: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:
    ts = BEGIN.isoformat()
    wrong = (ts, "power", "twelve", "", "")
    rows = [wrong, (ts, "power", "12", "", ""), wrong, (ts, "heat", "1", "", ""), wrong]
    report = imported(database_url, write_csv(tmp_path / "rows.csv", rows))
    lines = {(refusal["line"], refusal["reason"]) for refusal in report["refusals"]}
    assert lines == {(2, "bad_value"), (4, "bad_value"), (6, "bad_value"), (5, "unknown_channel")}
    # a second time they are told again, and kept once
    again = imported(database_url, tmp_path / "rows.csv")
    assert {(r["line"], r["reason"]) for r in again["refusals"]} == lines
    kept = connection.execute("SELECT count(*) FROM quarantine WHERE reason = 'bad_value'")
    assert kept.fetchone() == (1,)


PROFILE = """
facility: {id: profile, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels:
      - {id: quarters, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
"""
TABLE = """
facility: profile
encoding: cp1252
separator: ";"
skip: 1
number: comma
time: {column: [Datum, Uhrzeit], format: "%d.%m.%Y %H:%M", timezone: Europe/Vienna}
values:
  - channel: meter.quarters
    column: Wirkenergie (kWh)
    unit: kWh
    quality: {column: Status, map: {W: good, E: uncertain}}
"""


def test_a_utilitys_load_profile_over_the_hour_that_comes_twice(
    database_url: str, tmp_path: Path
) -> None:
    apply_text(database_url, PROFILE)
    zone = ZoneInfo("Europe/Vienna")
    # quarter hours end at these; the day has 25 hours
    first = datetime(2023, 10, 29, tzinfo=zone).astimezone(UTC)
    ends = [first + timedelta(minutes=15 * (i + 1)) for i in range(100)]
    lines = [f"Zählpunkt AT001;;;{os.linesep}Datum;Uhrzeit;Wirkenergie (kWh);Status"]
    for i, end in enumerate(ends):
        local = end.astimezone(zone)
        text = f"{local:%d.%m.%Y;%H:%M}"
        if text.endswith("00:00"):
            text = f"{local - timedelta(days=1):%d.%m.%Y};24:00"
        lines.append(f"{text};1.{i:03d},25;{'E' if i == 7 else 'W'}")
    lines.append("29.10.2023;12:07;?;W")
    path, table = tmp_path / "profile.csv", tmp_path / "utility.yaml"
    path.write_text("\n".join(lines), encoding="cp1252")
    table.write_text(TABLE)
    report = imported(database_url, path, "--table", table)
    assert (report["stored"], sum(report["refused"].values())) == (100, 1)
    assert report["refusals"][0]["line"] == 103
    with connect(database_url, process="test", autocommit=True) as connection:
        assert [
            (ts, value, quality) for _, ts, value, quality in readings(connection, "profile")
        ] == [(end, 1000.25 + i, 1 if i == 7 else 0) for i, end in enumerate(ends)]
    assert imported(database_url, path, "--table", table)["duplicates"] == 100

    table.write_text(TABLE.replace("column: Wirkenergie (kWh)", "colum: Wirkenergie"))
    ended = tonne(database_url, "import", path, "--table", table)
    assert ended.code == 1
    assert f"{table}:10: " in ended.stderr
