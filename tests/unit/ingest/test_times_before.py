from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.core.facility.errors import FacilityFileError
from services.core.facility.file import parse
from services.core.store.registry import grants
from services.core.timeline.instants import from_us
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.reasons import Reason
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message
from services.ingest.times_before import TimesBefore
from tests.contract.ingest.formats.station import directory

BOUNDS = TimeBounds(oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(minutes=5))
ARRIVAL = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
MEASURED = datetime(2026, 11, 23, 18, 29, 50, tzinfo=UTC)
ENERGY = "quantity: energy, unit: kWh, kind: counter"
BROKER, BEFORE = 1, 3


def file(timestamp: str = "topic: timestamp, from: '@'", channels: str = "", more: str = "") -> str:
    listed = channels or f"{{id: low, topic: low, {ENERGY}}}, {{id: high, topic: high, {ENERGY}}}"
    return (
        "facility: {id: house, name: House, timezone: UTC}\ndevices:\n"
        f"  - {{id: p1, topic: dsmr/reading, format: json, timestamp: {{{timestamp}}}, {more}"
        f"channels: [{listed}]}}\n"
    )


@dataclass
class Ingest:
    """What ingest makes of batches, one after the other."""

    known: Directory = field(default_factory=lambda: directory(parse(file())))
    times: TimesBefore = field(default_factory=TimesBefore)
    reasons: list[str] = field(default_factory=list)

    def take(self, *sent: tuple[str, str, float], **flags: Any) -> list[tuple[str, datetime, int]]:
        """Take a batch: topics below the device's, payloads, and seconds after the first."""
        messages = [
            Message(
                topic=f"dsmr/reading/{topic}",
                payload=payload.encode(),
                received_at=ARRIVAL + timedelta(seconds=after_s),
                token=None,
                **flags,
            )
            for topic, payload, after_s in sent
        ]
        prepared = prepare(messages, self.known, BOUNDS, times=self.times)
        self.times = prepared.times
        self.reasons += [entry.reason for entry in prepared.quarantine]
        return [(row.channel, from_us(row.ts_us), row.time_source) for row in prepared.rows]


@pytest.fixture
def ingest() -> Ingest:
    return Ingest()


def test_values_have_the_time_that_came_before_them(ingest: Ingest) -> None:
    assert ingest.take(
        ("timestamp", MEASURED.isoformat(), 0), ("low", "5779.835", 0.01), ("high", "412", 0.02)
    ) == [("low", MEASURED, BEFORE), ("high", MEASURED, BEFORE)]
    # the next batch goes on with it, until there is another
    assert ingest.take(("low", "5779.9", 1)) == [("low", MEASURED, BEFORE)]
    later = MEASURED + timedelta(seconds=10)
    assert ingest.take(("timestamp", f'"{later.isoformat()}"', 10), ("low", "5780", 10)) == [
        ("low", later, BEFORE)
    ]
    assert ingest.reasons == []


def test_a_value_before_any_time_is_timed_by_its_arrival(ingest: Ingest) -> None:
    assert ingest.take(("low", "1", 0)) == [("low", ARRIVAL, BROKER)]


def test_a_time_holds_a_minute_or_as_long_as_the_file_says(ingest: Ingest) -> None:
    ingest.take(("timestamp", MEASURED.isoformat(), 0))
    assert ingest.take(("low", "1", 60)) == [("low", MEASURED, BEFORE)]
    late = ARRIVAL + timedelta(seconds=61)
    assert ingest.take(("low", "1", 61)) == [("low", late, BROKER)]
    short = Ingest(directory(parse(file("topic: timestamp, from: '@', within: 5s"))))
    short.take(("timestamp", MEASURED.isoformat(), 0))
    assert [source for _, _, source in short.take(("low", "1", 5), ("low", "2", 6))] == [
        BEFORE,
        BROKER,
    ]


def test_a_batch_that_is_prepared_twice_begins_where_it_began(ingest: Ingest) -> None:
    ingest.take(("timestamp", MEASURED.isoformat(), 0))
    later = (MEASURED + timedelta(seconds=10)).isoformat()
    batch = [("low", "1", 1.0), ("timestamp", later, 10.0), ("low", "2", 10.0)]
    before = ingest.times
    first = ingest.take(*batch)
    ingest.times = before
    assert ingest.take(*batch) == first
    assert first[0][1] == MEASURED


def test_what_is_delivered_again_goes_by_what_is_delivered_again(ingest: Ingest) -> None:
    sent = [("timestamp", MEASURED.isoformat(), 0.0), ("low", "1", 0.0)]
    first = ingest.take(*sent)
    later = (MEASURED + timedelta(seconds=10)).isoformat()
    ingest.take(("timestamp", later, 10))
    assert ingest.take(*sent, redelivered=True) == first
    # a value whose time was acknowledged is timed by arrival, not by a time that came later
    alone = Ingest(ingest.known)
    alone.take(("timestamp", later, 0))
    assert alone.take(("low", "1", 0), redelivered=True) == [("low", ARRIVAL, BROKER)]


def test_a_time_that_was_retained_or_shared_is_nobodys(ingest: Ingest) -> None:
    ingest.take(("timestamp", MEASURED.isoformat(), 0), retained=True)
    assert ingest.take(("low", "1", 0)) == [("low", ARRIVAL, BROKER)]
    ingest.take(("timestamp", MEASURED.isoformat(), 0), stored_at=ARRIVAL)
    assert ingest.take(("low", "1", 0), stored_at=ARRIVAL) == [("low", ARRIVAL, BROKER)]


def test_a_device_that_knows_no_time_says_so() -> None:
    knows = Ingest(directory(parse(file("topic: state, from: t, unit: s, invalid: [0]"))))
    told = int(MEASURED.timestamp())
    knows.take(("state", json.dumps({"t": told}), 0))
    assert knows.take(("low", "1", 0)) == [("low", MEASURED, BEFORE)]
    knows.take(("state", json.dumps({"t": 0}), 1))
    assert knows.take(("low", "1", 1))[0][2] == BROKER
    assert knows.reasons == []


def test_a_time_that_cannot_be_read_is_kept_and_the_one_before_holds(ingest: Ingest) -> None:
    ingest.take(("timestamp", MEASURED.isoformat(), 0), ("timestamp", "soon", 1))
    assert ingest.reasons == [Reason.BAD_TIME]
    assert ingest.take(("low", "1", 1)) == [("low", MEASURED, BEFORE)]


def test_an_absurd_time_refuses_its_values(ingest: Ingest) -> None:
    assert ingest.take(("timestamp", "1970-01-01T00:00:00Z", 0), ("low", "1", 0)) == []
    assert ingest.reasons == [Reason.ABSURD_TIME]


def test_the_topic_of_the_time_is_heard_and_owned() -> None:
    stated = parse(file())
    assert "dsmr/reading/timestamp" in directory(stated).own_topics
    assert "dsmr/reading/timestamp" in grants.topics(stated)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (file("topic: a/b, from: '@'"), "differ in their first level or number of levels"),
        (file("topic: low, from: '@'"), "at dsmr/reading/low values come"),
        (file("from: t, within: 5s"), "within says how long the time of a message before holds"),
        (file("topic: ts, from: t, step: 5m"), "step is of a time in the values' message"),
        (
            file(channels=f"{{id: low, topic: low, timestamp: {{topic: t, from: a}}, {ENERGY}}}"),
            "topic belongs to the timestamp of the device",
        ),
        (
            file(
                channels="{id: i, topic: i, quantity: energy, unit: kWh, kind: interval,"
                " length: 15m, stamp: end}"
            ),
            "i needs its time in its own message: one that came before cannot be told",
        ),
    ],
)
def test_a_file_is_refused_with_what_to_do(text: str, sentence: str) -> None:
    with pytest.raises(FacilityFileError) as refused:
        parse(text)
    assert any(sentence in str(problem) for problem in refused.value.problems), refused.value
