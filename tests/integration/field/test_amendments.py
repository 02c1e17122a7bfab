"""Readings that people correct, add and remove: what stands, what is restated, what is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from services.cli import app as command
from services.core.runtime.stated_readings import Corrected, StatedReading
from services.core.store.database.connect import connect
from services.core.store.readings.packing import days
from services.core.timeline.instants import to_us
from services.ingest.amend import Author, amend
from tests.command import Ended, tonne
from tests.integration.field.bench import _BOUNDS, FieldBench
from tests.services import as_login

_START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
_CLOSED = _START + timedelta(hours=98)
_TOPIC = "emissions/works/meter/readings"

_FILE = """
facility: {{id: works, name: Works, timezone: UTC}}
devices: [{{id: meter, channels: [{channel}]}}]
factors: [{{id: f, unit: kWh, co2_kg: 0.5, citation: a}}]
sources: [{{id: grid, scope: 2, method: activity, input: meter.e, factor: f, lateness: 1h}}]
"""
_INTERVAL = "{id: e, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: start%s}"
_COUNTER = "{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 100%s}"


def _at(minute: float) -> datetime:
    return _START + timedelta(minutes=minute)


def _message(minute: float, value: Any) -> tuple[str, str]:
    return _TOPIC, json.dumps({"ts": _at(minute).isoformat(), "values": {"e": value}})


def _row(minute: float, value: float | None, **options: Any) -> StatedReading:
    """A row; ``was`` among ``options``: it is stored."""
    return StatedReading(
        device="meter",
        channel="e",
        ts_us=to_us(_at(minute)),
        value=value,
        is_stored="was" in options,
        **{"quality": "good" if value is not None else "bad", **options},
    )


def _amend(field: FieldBench, rows: Sequence[StatedReading], reason: str = "misread") -> Corrected:
    author = Author(by="person anna", reason=reason)
    with (
        connect(field.url, process="ingest", role="tonne_ingest", autocommit=True) as connection,
        connection.transaction(),
    ):
        return amend(connection, "works", rows, author, _BOUNDS, datetime.now(UTC))


def _counts(answer: Corrected) -> tuple[int, int, int, int]:
    return answer.corrected, answer.added, answer.unchanged, answer.refused


def _close(field: FieldBench) -> None:
    field.settle(_CLOSED)
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(_CLOSED + timedelta(minutes=1))


def test_a_correction_restates_its_hour_and_no_device_overwrites_it(field: FieldBench) -> None:
    field.apply(_FILE.format(channel=_INTERVAL % ", corrections: newest"))
    field.deliver([_message(m, 0.2) for m in (0, 15, 30, 45)], at=_at(60))
    _close(field)
    answer = _amend(field, [_row(15, 0.9, was=0.2), _row(30, None, was=0.2), _row(60, 0.4)])
    assert _counts(answer) == (2, 1, 0, 0)
    _close(field)
    first, second = field.hours("grid")[:2]
    assert (first["version"], first["reason"]) == (2, "corrected reading by person anna: misread")
    assert float(first["activity"]) == pytest.approx(1.3)
    assert float(second["activity"]) == pytest.approx(0.4)
    stands = [r[1:] for r in field.readings("meter.e")]
    assert stands == [(0.2, 0), (0.9, 0), (None, 2), (0.2, 0), (0.4, 0)]
    # a second delivery says nothing new; another value waits for a person, by whichever rule
    again = field.deliver([_message(m, 0.2) for m in (0, 15, 30, 45)], at=_at(120))
    assert (again.stored, again.conflicts) == (0, 0)
    late = [_message(15, 0.3), _message(30, 0.3), _message(60, 0.3)]
    assert field.deliver(late, at=_at(130)).conflicts == 3
    assert [r[1:] for r in field.readings("meter.e")] == stands
    # who looks at it may still decide for what the device sent
    assert field.replay(accept=True).accepted == 3
    assert [r[1] for r in field.readings("meter.e")] == [0.2, 0.3, 0.3, 0.2, 0.3]


def test_nobody_overwrites_what_they_did_not_see(field: FieldBench) -> None:
    field.apply(_FILE.format(channel=_INTERVAL % ""))
    field.deliver([_message(0, 0.2)], at=_at(60))
    assert _counts(_amend(field, [_row(0, 0.3, was=0.2)])) == (1, 0, 0, 0)
    rows = [
        _row(0, 0.4, was=0.2),
        _row(0, 0.4),
        _row(15, 0.4, was=0.2),
        _row(0, 0.4, was=0.3, was_quality="bad"),
        # the same once more
        _row(0, 0.3, was=0.2),
        _row(0, 5.0, was=0.3, unit="m3"),
        _row(1e9, 0.4),
        msgspec.structs.replace(_row(0, 1.0), channel="x"),
    ]
    answer = _amend(field, rows)
    assert _counts(answer) == (0, 0, 1, 7)
    assert [(r.index, r.reason) for r in answer.refusals] == [
        (0, "changed"),
        (1, "stored_already"),
        (2, "not_stored"),
        (3, "changed"),
        (5, "unit_not_convertible"),
        (6, "absurd_time"),
        (7, "unknown_channel"),
    ]
    assert [r[1] for r in field.readings("meter.e")] == [0.3]


def test_a_register_moves_between_its_hours_and_nothing_counts_as_a_reset(
    field: FieldBench,
) -> None:
    field.apply(_FILE.format(channel=_COUNTER % ", scale: 10"))
    # as sent: the register shows ten times as much
    field.deliver([_message(60 * h, 10.0 + h) for h in range(4)], at=_at(190))
    _close(field)
    before = [float(h["activity"]) for h in field.hours("grid")]
    assert before == pytest.approx([10, 10, 10])
    answer = _amend(field, [_row(60, 1140.0, was=110.0), _row(120, 1.0, was=120.0)])
    assert [r.reason for r in answer.refusals] == ["register_order", "register_order"]
    assert "100.0, 1140.0 and 1.0 kWh" in answer.refusals[0].detail
    assert _counts(_amend(field, [_row(60, 0.114, was=110.0, unit="MWh")])) == (1, 0, 0, 0)
    _close(field)
    after = [float(h["activity"]) for h in field.hours("grid")]
    assert after == pytest.approx([14, 6, 10])
    assert [h["version"] for h in field.hours("grid")] == [2, 2, 1]
    # several that are wrong by the same are corrected together
    rows = [_row(60, 1114.0, was=114.0), _row(120, 1120.0, was=120.0)]
    assert _counts(_amend(field, rows)) == (0, 0, 0, 2)
    rows += [_row(0, 1100.0, was=100.0), _row(180, 1130.0, was=130.0)]
    assert _counts(_amend(field, rows)) == (4, 0, 0, 0)
    _close(field)
    assert [float(h["activity"]) for h in field.hours("grid")] == pytest.approx([14, 6, 10])


def test_what_was_known_stays_and_all_of_it_is_verified(
    field: FieldBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    field.apply(_FILE.format(channel=_INTERVAL % ""))
    field.deliver([_message(m, 0.2) for m in (0, 15, 30, 45)], at=_at(60))
    # all of it happened an hour earlier: an hour that was opened just now is not closed
    for table, column in (
        ("reading", "known_at"),
        ("factor", "known_from"),
        ("channel_revision", "known_at"),
        ("source_revision", "known_at"),
    ):
        field.connection.execute(
            f"UPDATE {table} SET {column} = {column} - interval '90 minutes'"  # noqa: S608
        )
    field.settle(_CLOSED)
    field.connection.execute(
        "UPDATE emission_hour SET known_at = known_at - interval '1 hour',"
        " opened_at = opened_at - interval '1 hour'"
    )
    field.settle(_CLOSED + timedelta(minutes=1))
    _amend(field, [_row(15, 0.9, was=0.2)], reason="the photo shows 0.9")
    field.settle(_CLOSED + timedelta(minutes=2))
    (entry,) = field.rows("SELECT * FROM audit_entry WHERE action = 'reading.correct'")
    assert (entry["made_by"], entry["facility"]) == ("person anna", "works")
    assert (entry["subject"], entry["reason"]) == ("meter.e", "the photo shows 0.9")
    (was,), (now,) = entry["before"]["readings"], entry["after"]["readings"]
    assert ((was["value"], was["quality"]), (now["value"], now["quality"])) == ((0.2, 0), (0.9, 0))
    (kept,) = field.rows("SELECT * FROM reading_correction")
    assert (kept["old_value"], kept["new_value"], kept["by_person"]) == (0.2, 0.9, True)
    monkeypatch.setenv("TONNE_DATABASE_URL", field.url)
    sound = CliRunner().invoke(command, ["verify", "--versions", "--json"])
    assert sound.exit_code == 0, sound.output
    verified = json.loads(sound.stdout)
    # what stood before is made of the readings of before
    assert (verified["versions"], verified["versions_left_out"]) == (1, {})


def test_packed_days_are_opened_and_what_left_for_the_archive_is_refused(
    field: FieldBench,
) -> None:
    field.apply(_FILE.format(channel=_INTERVAL % ""))
    old = -60 * 24 * 6
    field.deliver([_message(old + m, 0.2) for m in (0, 15)], at=_at(old + 60))
    field.settle(_CLOSED)
    (channel,) = field.rows("SELECT id, (SELECT id FROM facility) AS facility FROM channel")
    day = to_us(_at(old)) // 86_400_000_000
    with psycopg.connect(field.url, autocommit=True) as connection, connection.transaction():
        days.pack(connection, channel["id"], day)
    assert field.readings("meter.e") == []
    assert _counts(_amend(field, [_row(old + 15, 0.9, was=0.2)])) == (1, 0, 0, 0)
    assert [r[1] for r in field.readings("meter.e")] == [0.2, 0.9]
    field.settle(_CLOSED + timedelta(minutes=1))
    assert field.total("grid")[0] == pytest.approx(1.1)
    field.connection.execute(
        "INSERT INTO archived_span (channel_id, first_day, last_day, first_uncomputed,"
        " last_uncomputed) VALUES (%s, %s, %s, %s, %s)",
        (channel["id"], day, day, day, day),
    )
    answer = _amend(field, [_row(old + 15, 0.4, was=0.9), _row(0, 0.4)])
    assert _counts(answer) == (0, 1, 0, 1)
    assert answer.refusals[0].reason == "archived"
    assert "tonne archive restore works" in answer.refusals[0].detail
    field.connection.execute(
        "INSERT INTO reading_horizon (id, horizon, dropped_at) VALUES (1, %s, now())",
        (_at(old + 60 * 24),),
    )
    (refusal,) = _amend(field, [_row(old, 0.4, was=0.2)]).refusals
    assert refusal.reason == "too_late"


def test_an_administrator_corrects_a_reading_by_command(field: FieldBench) -> None:
    field.apply(_FILE.format(channel=_INTERVAL % ", scale: 10"))
    # as sent: a tenth of the amount
    field.deliver([_message(m, 0.02) for m in (0, 15, 30, 45)], at=_at(60))
    _close(field)

    def correct(minute: float, *words: object, asked: str = "") -> Ended:
        place = ("--device", "works/meter", "--channel", "e", "--at", _at(minute).isoformat())
        reason = ("--reason", "misread", "--by", "anna")
        login = as_login(field.url, "tonne_admin")
        return tonne(login, "readings", "correct", *place, *reason, *words, asked=asked)

    refused = {
        ("--value", 0.3, "--remove"): "state what is right with --value, or --remove",
        (): "state what is right with --value, or --remove",
        ("--value", 0.3, "--quality", "splendid"): "--quality takes good, uncertain",
        ("--value", 0.3, "--unit", "m3", "--yes"): "m3",
    }
    for words, expected in refused.items():
        ended = correct(15, *words)
        assert (ended.code, expected in ended.stderr) == (1, True), ended.said
    assert "nothing was corrected" in correct(15, "--value", 0.9, asked="n\n").stderr
    assert "has no reading at" in correct(16, "--remove", "--yes").stderr
    assert [r[1] for r in field.readings("meter.e")] == [0.02] * 4

    done = correct(15, "--value", 900, "--unit", "Wh", asked="y\n")
    assert done.code == 0, done.said
    assert "works/meter.e" in done.stdout
    assert "0.2 kWh, to be 900.0 Wh" in done.stdout
    assert "nothing changed" in correct(15, "--value", 0.9, "--yes").stdout
    assert correct(30, "--remove", "--yes").code == 0
    assert correct(60, "--value", 0.4, "--quality", "uncertain", "--yes").code == 0
    stands = [
        (r[1] if r[1] is None else pytest.approx(r[1]), r[2]) for r in field.readings("meter.e")
    ]
    assert stands == [(0.02, 0), (0.09, 0), (None, 2), (0.02, 0), (0.04, 1)]
    _close(field)
    hours = field.hours("grid")
    assert (hours[0]["version"], hours[0]["reason"]) == (2, "corrected reading by anna: misread")
    assert float(hours[0]["activity"]) == pytest.approx(1.3)
    entries = field.rows(
        "SELECT made_by, facility, reason FROM audit_entry WHERE action = 'reading.correct'"
    )
    assert entries == [{"made_by": "anna", "facility": "works", "reason": "misread"}] * 3
