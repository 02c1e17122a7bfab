"""What waits to be written: bounded, live first, each reading once, acknowledged when durable."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from services.core.store.readings.quarantine import QuarantineEntry
from services.ingest.prepare import Candidate, Prepared
from services.ingest.sources.source import Message
from services.ingest.write import Outcome
from services.ingest.write_queue import WriteQueue

NOW_US = 1_780_000_000_000_000
HOUR_US = 3_600_000_000
AT = datetime.fromtimestamp(NOW_US / 1e6, UTC)


@dataclass
class Database:
    """What was written, a transaction each."""

    transactions: list[list[Candidate]] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    refuses: bool = False

    def write(self, prepared: Prepared) -> Outcome:
        if self.refuses:
            raise ConnectionError
        self.transactions.append(prepared.rows)
        self.quarantined += [entry.detail for entry in prepared.quarantine]
        return Outcome(stored=len(prepared.rows), duplicates=0, conflicts=0, refused=[], shed=0)

    @property
    def rows(self) -> list[Candidate]:
        return [each for rows in self.transactions for each in rows]


def message(k: int | str) -> Message:
    return Message(topic=str(k), payload=b"", received_at=AT, token=k)


def row(
    of: Message, ts_us: int, value: float, *, channel: int = 1, received_us: int = NOW_US
) -> Candidate:
    nobody: Any = None
    return Candidate(1, channel, ts_us, value, 0, 0, received_us, of, nobody, str(channel))


def prepared(of: Message, ages_h: list[float], *, channel: int = 1, refused: int = 0) -> Prepared:
    return Prepared(
        rows=[
            row(of, NOW_US - int(age * HOUR_US), float(i), channel=channel)
            for i, age in enumerate(ages_h)
        ],
        quarantine=[
            QuarantineEntry(
                received_at=AT, reason="r", detail=f"{of.topic}/{i}", topic="t", payload=b""
            )
            for i in range(refused)
        ],
    )


@pytest.fixture
def database() -> Database:
    return Database()


def test_what_fits_is_one_transaction_whatever_its_age(database: Database) -> None:
    queue = WriteQueue(database.write, max_rows=10)
    one = message(1)
    queue.add([one], prepared(one, [0, 500, 0, 9000], refused=1))
    done = queue.write_piece()
    assert (done.messages, len(database.transactions)) == ([one], 1)
    assert database.quarantined == ["1/0"]
    assert not queue.busy


def test_a_message_is_acknowledged_when_all_of_it_is_durable(database: Database) -> None:
    queue = WriteQueue(database.write, max_rows=10)
    one = message(1)
    queue.add([one], prepared(one, [0.0] * 5 + [100.0 + k for k in range(27)]))
    acknowledged = []
    while queue.busy:
        acknowledged.append(queue.write_piece().messages)
    assert acknowledged == [[], [], [], [one]]
    assert [len(rows) for rows in database.transactions] == [5, 10, 10, 7]


def test_live_readings_overtake_history_and_acknowledgements_do_not(database: Database) -> None:
    queue = WriteQueue(database.write, max_rows=10)
    old, new = message(1), message(2)
    queue.add([old], prepared(old, [100.0 + k for k in range(25)]))
    # what it has to refuse does not wait either
    assert queue.write_piece().messages == []
    queue.write_piece()
    queue.add([new], prepared(new, [0.0, 200.0], channel=2, refused=1))
    assert queue.has_live
    assert queue.write_piece().messages == []
    assert [each.channel_id for each in database.transactions[-1]] == [2]
    assert database.quarantined == ["2/0"]
    assert queue.write_piece().messages == []
    # the last piece of the one takes up what the other had of history
    done = queue.write_piece()
    assert done.messages == [old, new]
    assert [each.channel_id for each in done.rows] == [1] * 5 + [2]


def test_who_waits_at_a_door_does_not_wait_for_the_history_of_others(database: Database) -> None:
    queue = WriteQueue(database.write, max_rows=10)
    broker, old, both, live, refused = (message(f"m{k}") for k in range(5))
    queue.add([broker], prepared(broker, [100.0] * 25))
    queue.write_piece()
    parts = [
        prepared(old, [100.0 + k for k in range(25)], channel=2),
        prepared(both, [0.0, 100.0], channel=3),
        prepared(live, [0.0], channel=4),
        prepared(refused, [], refused=1),
    ]
    together = Prepared(
        rows=[row for part in parts for row in part.rows], quarantine=parts[-1].quarantine
    )
    queue.add([old, both, live, refused], together, in_order=False)
    assert queue.write_piece().messages == [live, refused]
    later = []
    while queue.busy:
        later.append(queue.write_piece().messages)
    # the broker's after its last piece; the others after theirs
    assert later == [[], [], [broker], [], [], [old, both]]
    assert len(database.rows) == 25 + 25 + 2 + 1


def test_so_much_history_may_wait_and_no_more(database: Database) -> None:
    queue = WriteQueue(database.write, max_rows=10)
    one = message(1)
    queue.add([one], prepared(one, [100.0] * 39))
    assert not queue.full
    queue.add([one], prepared(one, [100.0]))
    assert queue.full
    while queue.has_live:
        queue.write_piece()
    queue.write_piece()
    assert not queue.full


def test_a_failure_loses_nothing_and_acknowledges_nothing(database: Database) -> None:
    queue = WriteQueue(database.write, max_rows=10)
    one = message(1)
    queue.add([one], prepared(one, [100.0] * 25, refused=1))
    queue.write_piece()
    database.refuses = True
    with pytest.raises(ConnectionError):
        queue.write_piece()
    database.refuses = False
    acknowledged: list[Message] = []
    while queue.busy:
        acknowledged += queue.write_piece().messages
    assert (len(database.rows), acknowledged, database.quarantined) == (25, [one], ["1/0"])


@pytest.mark.parametrize("seed", range(20))
def test_each_reading_is_written_once_and_those_of_one_key_in_their_order(
    database: Database, seed: int
) -> None:
    rng = random.Random(seed)
    queue = WriteQueue(database.write, max_rows=rng.choice([1, 7, 40]))
    sent: list[Candidate] = []
    messages: list[Message] = []
    acknowledged: list[Message] = []
    for k in range(30):
        one = message(k)
        # few keys, so that many messages name the same; later ones see them as older
        received_us = NOW_US + k * HOUR_US // 4
        rows = [
            row(
                one,
                NOW_US + rng.randint(-3, 6) * HOUR_US,
                rng.random(),
                received_us=received_us,
            )
            for _ in range(rng.choice([0, 1, 5, 60]))
        ]
        sent += rows
        messages.append(one)
        queue.add([one], Prepared(rows=rows))
        while queue.has_live:
            acknowledged += queue.write_piece().messages
        if queue.busy and rng.random() < 0.5:
            acknowledged += queue.write_piece().messages
    while queue.busy:
        acknowledged += queue.write_piece().messages
    assert acknowledged == messages

    def by_key(rows: list[Candidate]) -> dict[int, list[float | None]]:
        found: dict[int, list[float | None]] = {}
        for each in rows:
            found.setdefault(each.ts_us, []).append(each.value)
        return found

    assert by_key(database.rows) == by_key(sent)
    assert max(map(len, database.transactions)) <= queue._max_rows
