"""Readings that somebody takes away: totals as if they had never come, and a record of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.store.schema import restatement_reasons as why
from tests import command
from tests.integration.field.bench import FieldBench
from tests.services import as_login

_START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
_CLOSED = _START + timedelta(hours=98)
_TOPIC = "emissions/works/meter/readings"

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels:
      - {id: e, quantity: energy, unit: kWh, kind: counter}
      - {id: p, quantity: power, unit: kW, kind: gauge, max_gap: 600}
      - {id: i, quantity: energy, unit: kWh, kind: interval, length: 15m, stamp: end}
factors: [{id: f, unit: kWh, co2_kg: 0.5, citation: a}]
sources:
  - {id: register, scope: 2, method: activity, input: meter.e, factor: f, lateness: 1h}
  - {id: power, scope: 2, method: activity, input: meter.p, factor: f, lateness: 1h}
  - {id: amount, scope: 2, method: activity, input: meter.i, factor: f, lateness: 1h}
"""


def _at(minute: float) -> datetime:
    return _START + timedelta(minutes=minute)


def _message(minute: float, **values: Any) -> tuple[str, str]:
    return _TOPIC, json.dumps({"ts": _at(minute).isoformat(), "values": values})


def _settle(field: FieldBench, minute: int = 0) -> None:
    now = _CLOSED + timedelta(minutes=minute)
    field.settle(now)
    field.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 h'")
    field.settle(now + timedelta(minutes=1))


def _tonne(field: FieldBench, *words: str, code: int = 0, asked: str = "") -> str:
    admin = as_login(field.url, "tonne_admin")
    ended = command.tonne(admin, "readings", *words, asked=asked, columns=200)
    assert ended.code == code, ended.said
    return ended.said


def _channel(name: str) -> list[str]:
    return ["--facility", "works", "--device", "meter", "--channel", name]


def _discard(field: FieldBench, name: str, minute: float, *more: str) -> str:
    words = ["--at", _at(minute).isoformat(), "--reason", "meter misread", "--by", "user berta"]
    return _tonne(field, "discard", *_channel(name), *words, "--yes", *more)


def _figures(field: FieldBench, source: str) -> list[tuple[Any, ...]]:
    return [
        (h["hour"], h["activity"], h["co2_kg"], h["coverage"])
        for h in field.hours(source)
        if h["coverage"]
    ]


@pytest.mark.parametrize(
    ("name", "source", "good", "wrong"),
    [
        ("e", "register", [(0, 0.0), (60, 2.0), (150, 4.0), (210, 6.0)], (119, 3.9)),
        ("e", "register", [(60, 2.0), (119, 4.0), (180, 6.0)], (0, 0.5)),
        ("e", "register", [(0, 0.0), (60, 2.0), (119, 4.0)], (180, 6.0)),
        ("p", "power", [(0, 1.0), (8, 1.0), (61, 2.0)], (4, 9.0)),
        ("p", "power", [(0, 1.0), (8, 1.0)], (58, 2.0)),
        ("i", "amount", [(15, 1.0), (45, 1.0), (75, 2.0)], (30, 99.0)),
    ],
)
def test_totals_are_as_if_the_reading_had_never_come(
    field: FieldBench, name: str, source: str, good: list[Any], wrong: tuple[float, float]
) -> None:
    field.apply(_FILE)
    field.deliver([_message(m, **{name: v}) for m, v in good], at=_at(200))
    _settle(field)
    expected = _figures(field, source)
    field.deliver([_message(wrong[0], **{name: wrong[1]})], at=_at(210))
    _settle(field, 2)
    assert _figures(field, source) != expected
    assert "discarded: 1" in _discard(field, name, wrong[0])
    _settle(field, 4)
    assert _figures(field, source) == expected
    reasons = {h["reason"] for h in field.hours(source)} - {"closed"}
    assert "discarded reading by user berta: meter misread" in reasons
    assert why.kind_and_cause("discarded reading by user berta: meter misread") == (
        "discarded reading",
        "by user berta: meter misread",
    )


def test_what_was_discarded_does_not_come_back_by_a_second_delivery(field: FieldBench) -> None:
    field.apply(_FILE)
    sent = [_message(m, e=float(m), p=1.0) for m in range(5)]
    field.deliver(sent, at=_at(10))
    _discard(field, "e", 2)
    outcome = field.deliver(sent, at=_at(20))
    assert (outcome.stored, outcome.duplicates, outcome.conflicts) == (0, 10, 0)
    assert [r[1] for r in field.readings("meter.e")] == [0.0, 1.0, 3.0, 4.0]
    # another value for that time is news
    field.deliver([_message(2, e=2.5)], at=_at(30))
    assert [r[1] for r in field.readings("meter.e")] == [0.0, 1.0, 2.5, 3.0, 4.0]
    # discarded too, nothing of that time comes back
    _discard(field, "e", 2)
    field.deliver([*sent, _message(2, e=2.5)], at=_at(40))
    assert [r[1] for r in field.readings("meter.e")] == [0.0, 1.0, 3.0, 4.0]


def test_a_value_that_was_replaced_does_not_come_back_in_the_place_of_a_discarded_one(
    field: FieldBench,
) -> None:
    field.apply(_FILE)
    estimate, actual = _message(0, i={"v": 1.0, "q": "uncertain"}), _message(0, i=2.0)
    field.deliver([estimate, actual], at=_at(10))
    _discard(field, "i", 0)
    field.deliver([estimate, actual], at=_at(20))
    assert field.readings("meter.i") == []


def test_the_record_tells_what_was_taken_away_by_whom_and_why(field: FieldBench) -> None:
    field.apply(_FILE)
    field.deliver([_message(m, e=float(m)) for m in range(5)], at=_at(10))
    span = ["--from", _at(1).isoformat(), "--to", _at(4).isoformat()]
    words = [*_channel("e"), *span, "--reason", "clock was wrong", "--by", "user berta"]
    said = _tonne(field, "discard", *words, code=1, asked="n\n")
    assert "3 readings of works/meter.e" in said
    assert "nothing was discarded" in said
    assert len(field.readings("meter.e")) == 5
    assert "discarded: 3" in _tonne(field, "discard", *words, asked="y\n")
    record = field.rows("SELECT * FROM discarded_reading ORDER BY ts")
    assert [(r["ts"], r["value"], r["discarded_by"], r["reason"]) for r in record] == [
        (_at(m), float(m), "user berta", "clock was wrong") for m in (1, 2, 3)
    ]
    assert [r["received_at"] for r in record] == [_at(10)] * 3
    assert _tonne(field, "discarded", *_channel("e")).count("clock was wrong") == 3
    listed = _tonne(field, "list", *_channel("e"))
    assert ("4.0" in listed, "2.0" in listed) == (True, False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "2026-01-01T00:00:00Z", "--reason", "r"], "has no readings there"),
        (["--reason", "r"], "select readings with --from and --to, or --at"),
        (["--from", "2026-01-01T00:00:00Z", "--reason", "r"], "select readings"),
        (["--at", "yesterday", "--reason", "r"], "--at: `yesterday` is not a time"),
        (["--at", "2026-01-01T00:00:00Z", "--reason", ""], "takes 1 to 200 characters"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(field: FieldBench, words: list[str], said: str) -> None:
    field.apply(_FILE)
    assert said in _tonne(field, "discard", *_channel("e"), *words, "--yes", code=1)
    missing = [*_channel("x"), "--at", "2026-01-01T00:00:00Z", "--reason", "r"]
    assert "has no channel meter.x" in _tonne(field, "discard", *missing, "--yes", code=1)


def test_an_id_that_two_facilities_have_needs_its_facility(field: FieldBench) -> None:
    field.apply(_FILE)
    field.apply(_FILE.replace("id: works, name: Works", "id: other, name: Other"))
    field.deliver([_message(0, p=1.0)], at=_at(200))
    other = (_TOPIC.replace("works", "other"), _message(0, p=7.0)[1])
    field.deliver([other], at=_at(200))
    named = ["--channel", "p", "--at", _at(0).isoformat(), "--reason", "misread", "--yes"]
    said = _tonne(field, "discard", "--device", "meter", *named, code=1)
    assert "several facilities have a device meter; name one: other/meter, works/meter" in said
    shown = _tonne(field, "list", "--device", "other/meter", "--channel", "p")
    assert "7.0" in shown
    assert "1.0" not in shown
    said = _tonne(field, "discard", "--device", "other/meter", *named)
    assert "1 reading of other/meter.p" in said
    assert field.readings("meter.p", facility="other") == []
    assert [value for _, value, _ in field.readings("meter.p", facility="works")] == [1.0]
    shown = _tonne(field, "discarded", "--facility", "other", "--device", "meter", "--channel", "p")
    assert "7.0" in shown
    for words, answer in (
        (["--device", "nowhere/meter"], "facility nowhere has no device meter"),
        (["--device", "nobody"], "no facility has a device nobody"),
    ):
        assert answer in _tonne(field, "list", *words, "--channel", "p", code=1)
