"""``tonne archive`` writes what anybody can read, whole or not at all, to a folder and to S3."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from services.core.store.database.connect import connect
from services.core.store.readings.archive import layout, months, places
from services.core.store.readings.archive.months import HeldDay
from services.core.store.readings.packing.columns import ReadingColumns
from tests.command import tonne
from tests.forked import Forked
from tests.integration.aggregator.plant import Plant, Reading, instant
from tests.integration.archive.conftest import Run, packed_rows
from tests.integration.packed import pack_some, unpack_all
from tests.patience import pauses
from tests.services import as_login

pytestmark = [pytest.mark.database]

_ROWS = """
SELECT f.slug, d.slug, c.slug, c.unit, r.ts, r.value,
       (ARRAY['good', 'uncertain', 'bad', 'calibration', 'maintenance', 'above-range'])
           [1 + r.quality],
       (ARRAY['device', 'broker', 'after waiting'])[1 + r.time_source], r.received_at, r.known_at
FROM reading r JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id
JOIN facility f ON f.id = d.facility_id
ORDER BY 2, 3, 5
"""


def _spelled(rows: Any) -> list[tuple[str, ...]]:
    """Rows so that two are equal where every bit is."""
    return [tuple(repr(v.timestamp() if hasattr(v, "timestamp") else v) for v in r) for r in rows]


def test_duckdb_and_polars_read_what_is_stored(plant: Plant, run: Run, folder: Path) -> None:
    assert run("archive").code == 0
    files = f"{folder}/*/*.parquet"
    unpack_all(plant.connection)
    plant.connection.execute("SET TimeZone = 'UTC'")
    stored = _spelled(plant.rows(_ROWS))
    assert len(stored) > 3000
    with duckdb.connect() as duck:
        duck.execute("SET TimeZone = 'UTC'")
        query = f"SELECT * FROM '{files}' ORDER BY device, channel, ts"  # noqa: S608 - a test's own
        assert _spelled(duck.sql(query).fetchall()) == stored
        ((mean,),) = duck.sql(
            f"SELECT avg(value) FROM '{files}'"  # noqa: S608 - a test's own
            " WHERE channel = 'power' AND quality = 'good' AND ts < '2026-03-01'"
        ).fetchall()
        assert 100 < mean < 400
    by_polars = pl.scan_parquet(files).sort("device", "channel", "ts").collect()
    assert _spelled(by_polars.iter_rows()) == stored
    metadata = pq.read_metadata(folder / "works" / "2026-02.parquet").metadata
    assert (metadata[b"facility"], metadata[b"month"]) == (b"works", b"2026-02")
    assert metadata[b"tonne"]


def test_where_nothing_is_packed_it_says_when_there_will_be(
    plant: Plant, run: Run, folder: Path
) -> None:
    unpack_all(plant.connection)
    ended = run("archive")
    assert ended.code == 0
    assert "no month can be archived yet" in ended.stdout
    assert "TONNE_PACK_AFTER_DAYS" in ended.stdout
    assert not list(folder.glob("*/*.parquet"))


def test_a_second_run_writes_nothing_and_a_late_reading_its_month_alone(
    plant: Plant, run: Run, place: str
) -> None:
    first = run("archive")
    assert first.code == 0
    assert first.stdout.count("written") == 3
    listed = run("archive", "list", "--json").stdout
    again = run("archive")
    assert (again.stdout.count("is there"), again.stdout.count("written")) == (3, 0)
    assert run("archive", "list", "--json").stdout == listed
    # a day of March is opened, and packed again
    plant.store([Reading("meter.power", instant("2026-03-15T01:00:03Z"), 5.0)])
    pack_some(plant.connection, random.Random(1))
    third = run("archive")
    assert (third.stdout.count("is there"), third.stdout.count("written")) == (2, 1)
    assert run("archive", "verify").code == 0
    ((archived, whole),) = plant.rows(
        "SELECT count(*) FILTER (WHERE archived), count(*) FROM packed_readings"
    )
    assert archived == whole
    assert place in run("archive", "list").stdout


def test_out_and_back_everything_is_as_it_was(plant: Plant, run: Run, place: str) -> None:
    """Also where a month's file is written anew while most of its days are in the archive alone.

    Some of the packed rows are runs of days.
    """
    unpack_all(plant.connection)
    pack_some(plant.connection, random.Random(2), 0.3, together=4)
    pack_some(plant.connection, random.Random(2))
    ((runs,),) = plant.rows("SELECT count(*) FROM packed_readings WHERE days > 1")
    assert runs > 5
    before = packed_rows(plant)
    run("archive")
    removed = run("archive", "remove", "--before", "2026-04", "--yes")
    assert removed.code == 0, removed.said
    ((gone,),) = plant.rows("SELECT count(*) FROM packed_readings WHERE series IS NULL")
    assert gone > 10
    ((runs,),) = plant.rows(
        "SELECT count(*) FROM packed_readings WHERE series IS NULL AND days > 1"
    )
    assert runs > 0
    assert "| " not in removed.said
    plant.connection.execute("UPDATE packed_readings SET archived = false WHERE series IS NOT NULL")
    again = run("archive")
    assert again.stdout.count("written") == 2, again.said
    for month in ("2026-02", "2026-03"):
        back = run("archive", "restore", "works", month)
        assert back.code == 0, back.said
    assert packed_rows(plant) == before
    assert plant.rows("SELECT count(*) FROM archived_span") == [(0,)]
    assert place
    assert "0 readings of 0 days" in run("archive", "restore", "works", "2026-02").stdout
    done = plant.rows(
        "SELECT DISTINCT action FROM audit_entry WHERE facility = 'works'"
        " AND starts_with(action, 'archive') ORDER BY 1"
    )
    assert done == [("archive.remove",), ("archive.restore",), ("archive.write",)]


@pytest.mark.parametrize("part", ["group", "put"])
def test_what_is_cut_off_is_no_file(
    part: str, plant: Plant, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        if part == "group":
            patched.setattr(layout, "group", cut)
        else:
            patched.setattr(Path, "replace", cut)
        with pytest.raises(Cut):
            run("archive")
    assert list((folder / ".drafts").iterdir())
    assert not list(folder.glob("works/*"))
    assert plant.rows("SELECT count(*) FROM archive_file") == [(0,)]
    assert run("archive").stdout.count("written") == 3
    assert not list((folder / ".drafts").iterdir())


def test_killed_before_it_is_noted_a_file_is_written_again(
    plant: Plant, run: Run, database_url: str, folder: Path
) -> None:
    with plant.connection.transaction():
        # the note waits, whoever reads does not
        plant.connection.execute("LOCK TABLE archive_file IN SHARE MODE")
        with Path(os.devnull).open("wb") as nothing:
            child = Forked(
                ["archive"],
                environment={
                    **os.environ,
                    "TONNE_DATABASE_URL": as_login(database_url, "tonne_admin"),
                    "TONNE_ARCHIVE": str(folder),
                },
                stdout=nothing.fileno(),
            )
        for pause_s in pauses():
            if (
                plant.rows("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]
                or child.poll() is not None
            ):
                break
            time.sleep(pause_s)
        child.send_signal(signal.SIGKILL)
        child.wait()
        plant.connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
    assert [path.name for path in folder.glob("*/*.parquet")] == ["2026-02.parquet"]
    assert plant.rows("SELECT count(*) FROM archive_file") == [(0,)]
    assert run("archive").stdout.count("written") == 3
    assert run("archive", "verify").code == 0


def test_a_month_keeps_the_days_that_retention_dropped_and_takes_what_came_later(
    plant: Plant, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        pass

    def cut(*_: object) -> None:
        raise Cut

    def february() -> list[tuple[str, ...]]:
        return _spelled(pl.read_parquet(folder / "works" / "2026-02.parquet").iter_rows())

    run("archive")
    archived = february()
    plant.connection.execute(
        "INSERT INTO reading_horizon (id, horizon) VALUES (1, '2026-02-27T00:00:00Z')"
    )
    ((dropped,),) = plant.rows(
        "WITH gone AS (DELETE FROM packed_readings WHERE first_ts < '2026-02-27T00:00:00Z'"
        " RETURNING readings) SELECT sum(readings)::int FROM gone"
    )
    assert dropped > 300
    plant.store([Reading("meter.power", instant("2026-02-28T01:00:03Z"), 5.0)])
    pack_some(plant.connection, random.Random(1))
    with monkeypatch.context() as patched:
        patched.setattr(months, "note", cut)
        with pytest.raises(Cut):
            run("archive")
    assert "of a run that was cut off" in run("archive", "verify").stdout
    again = run("archive")
    assert (again.code, again.stdout.count("written"), again.stdout.count("is there")) == (0, 1, 2)
    assert set(archived) < set(february())
    assert len(february()) == len(archived) + 1
    assert plant.rows("SELECT count(*) FROM packed_readings WHERE NOT archived") == [(0,)]
    assert run("archive", "verify").code == 0
    # of what nothing else holds no other file is taken
    file = folder / "works" / "2026-02.parquet"
    file.write_bytes(damaged := file.read_bytes() + b"x")
    refused = run("archive")
    assert refused.code == 1
    assert "bring that file back from a backup" in refused.said.replace("\n", " ")
    assert file.read_bytes() == damaged


def test_a_note_locks_packed_days_in_the_order_of_whoever_opens_them(
    plant: Plant, database_url: str
) -> None:
    packed = plant.rows("SELECT channel_id, day, readings, digest FROM packed_readings")
    order = sorted((channel_id, day) for channel_id, day, _, _ in packed)
    middle = order[len(order) // 2]
    days: dict[int, list[HeldDay]] = {}
    for channel_id, day, readings, digest in sorted(packed, reverse=True):
        archived_day = HeldDay(day=day, readings=readings, digest=digest)
        days.setdefault(channel_id, []).append(archived_day)
    file = {
        "facility": plant.facility_id, "month": date(2026, 2, 1), "place": "a", "path": "b",
        "bytes": 1, "sha256": b"", "readings": 1, "days": 1, "tonne": "1",
    }  # fmt: skip
    with (
        connect(database_url, process="test", autocommit=True) as holder,
        connect(database_url, process="admin", autocommit=True) as noting,
        ThreadPoolExecutor(1) as threads,
    ):
        with holder.transaction():
            holder.execute(
                "SELECT FROM packed_readings WHERE channel_id = %s AND day = %s FOR UPDATE", middle
            )
            noted = threads.submit(months.note, noting, file, days)
            for pause_s in pauses():
                if plant.rows("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]:
                    break
                time.sleep(pause_s)
            free = plant.rows(
                "SELECT channel_id, day FROM packed_readings ORDER BY 1, 2 FOR UPDATE SKIP LOCKED"
            )
        noted.result()
    assert free == [key for key in order if key > middle]
    assert plant.rows("SELECT count(*) FROM packed_readings WHERE NOT archived") == [(0,)]


def test_whoever_shares_a_place_has_drafts_of_his_own(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = os.environ.get("TONNE_ARCHIVE_S3_ENDPOINT")
    one, other = (places.place(place, endpoint) for _ in range(2))
    with one.drafts() as drafts:
        draft = drafts / "2026-02"
        draft.write_bytes(b"first")
        with other.drafts() as others:
            second = others / "2026-02"
            second.write_bytes(b"second")
            if isinstance(one, places.Bucket):
                upload = one._upload

                def interrupted(*words: Any) -> None:
                    upload(*words)
                    other.put(second, "other/2026-02.parquet")

                monkeypatch.setattr(one, "_upload", interrupted)
            else:
                other.put(second, "other/2026-02.parquet")
            one.put(draft, "works/2026-02.parquet")
    for facility, size in (("works", 5), ("other", 6)):
        assert one.size(f"{facility}/2026-02.parquet") == size
    left = fs.FileSelector(f"{one._root}/.drafts", recursive=True, allow_not_found=True)
    assert [info.path for info in one._files.get_file_info(left) if info.is_file] == []


def test_one_at_a_time(plant: Plant, run: Run, folder: Path) -> None:
    plant.connection.execute("SELECT pg_advisory_lock(%s)", (0x746F6E61,))
    refused = run("archive")
    assert refused.code == 1
    assert "another `tonne archive` is at work" in refused.stderr
    assert not folder.exists()


def test_a_damaged_file_is_named_and_nothing_is_removed_or_restored(
    plant: Plant, run: Run, folder: Path
) -> None:
    run("archive")
    file = folder / "works" / "2026-02.parquet"
    whole = file.read_bytes()
    values = pq.read_metadata(file).row_group(0).column(5)
    place = values.dictionary_page_offset + values.total_compressed_size // 3
    damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    file.write_bytes(damaged)
    verified = run("archive", "verify")
    assert verified.code == 1
    assert "not as it was archived" in verified.stdout
    refused = run("archive", "remove", "--before", "2026-04", "--yes")
    assert refused.code == 1
    assert "nothing is removed: move that file away, and run" in refused.stderr.replace("\n", " ")
    file.unlink()
    refused = run("archive", "remove", "--before", "2026-04", "--yes")
    assert "missing; nothing is removed: run `tonne archive`" in refused.stderr.replace("\n", " ")
    assert run("archive").stdout.count("written") == 1
    whole = file.read_bytes()
    before = packed_rows(plant)
    run("archive", "remove", "--before", "2026-04", "--yes")
    absent = packed_rows(plant)
    assert absent != before
    for damage in (whole[:-30], damaged, b""):
        file.write_bytes(damage)
        refused = run("archive", "restore", "works", "2026-02")
        assert refused.code == 1
        assert "2026-02.parquet" in refused.stderr, refused.stderr
        assert [r for r, a in zip(packed_rows(plant), absent, strict=True) if r != a] == []
    # nor does any other month leave while what left before is in no file
    refused = run("archive", "remove", "--before", "2026-05", "--yes")
    assert refused.code == 1
    assert "2026-02.parquet" in refused.stderr
    assert "bring that file back from a backup" in refused.stderr.replace("\n", " ")
    assert packed_rows(plant) == absent
    file.unlink()
    assert "cannot be used" in run("archive", "restore", "works", "2026-02").stderr
    assert "missing" in run("archive", "verify").stdout
    file.write_bytes(whole)
    assert run("archive", "restore", "works", "2026-02").code == 0


def test_what_cannot_be_done_is_said_in_one_sentence(
    run: Run, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "set TONNE_ARCHIVE" in run("archive").stderr
    (tmp_path / "file").write_text("")
    for where, said in (
        (tmp_path / "file" / "below", "cannot be used"),
        ("ftp://there", "a folder, or s3://bucket/prefix"),
        ("s3://key:hidden@bucket", "keys come from AWS_ACCESS_KEY_ID"),
    ):
        refused = run("archive", "--to", where)
        assert (refused.code, said in refused.said) == (1, True), refused.said
        assert "hidden" not in refused.said
    assert "is not a month" in run("archive", "restore", "works", "March").stderr
    assert "is not archived" in run("archive", "restore", "works", "2026-03").stderr
    assert "there is no facility nowhere" in run("archive", "--facility", "nowhere").stderr
    assert "nothing from before 2026-04" in run("archive", "remove", "--before", "2026-04").stderr
    denied = tonne(as_login(database_url, "tonne_api"), "archive", "--to", tmp_path / "there")
    assert "tonne_admin" in denied.said
    monkeypatch.setenv("TONNE_ARCHIVE_S3_ENDPOINT", "elsewhere")
    assert "TONNE_ARCHIVE_S3_ENDPOINT" in run("archive").stderr


def test_wrong_keys_are_told_without_them(
    plant: Plant, run: Run, seaweedfs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    monkeypatch.setenv("TONNE_ARCHIVE_S3_ENDPOINT", seaweedfs.url)
    refused = run("archive", "--to", "s3://archive/x")
    assert refused.code == 1
    assert "cannot be used" in refused.said
    assert "a-wrong-secret" not in refused.said
    assert plant.rows("SELECT count(*) FROM archive_file") == [(0,)]


def test_bits_that_no_text_shows_come_back() -> None:
    bits = np.array([0x7FF8000000000001, 0x7FF0000000000001, 0x8000000000000000, 0, 5], np.uint64)
    size = bits.size
    readings = ReadingColumns(
        ts_us=np.arange(size, dtype=np.int64) - 3,
        value=bits.view(np.float64),
        missing=np.array([False, False, False, True, False]),
        quality=np.arange(size, dtype=np.int64),
        time_source=np.arange(size, dtype=np.int64) % 3,
        received_us=np.arange(size, dtype=np.int64) - 10**15,
        known_us=np.array([0, 0, 5, 0, 0]),
        unknown=np.array([True, False, False, True, True]),
    )
    channel = layout.ArchivedChannel(device="d", channel="c", unit="kW", id=1)
    ((_, _, back),) = layout.channels_and_readings(layout.group("f", [(channel, readings)]))
    assert back.sent() == readings.sent()
