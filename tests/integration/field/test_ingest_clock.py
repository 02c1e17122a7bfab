"""A clock of ingest's machine that is wrong, and what readings are judged by meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.ingest.clock_offset import TOLERANCE_S, ClockOffset
from services.ingest.sources.source import Message


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as made:
        yield made


class _Machine:
    """A machine whose clock is wrong by some seconds, and may be set."""

    def __init__(self, wrong_s: float) -> None:
        self.wrong_s = wrong_s

    def wall_s(self) -> float:
        return time.time() + self.wrong_s

    def message(self) -> Message:
        at = datetime.fromtimestamp(self.wall_s(), UTC)
        return Message(topic="t", payload=b"", received_at=at, token=1, sent_before=at)


def _off_s(message: Message) -> float:
    assert message.sent_before == message.received_at
    return (message.received_at - datetime.now(UTC)) / timedelta(seconds=1)


@pytest.mark.incident
@pytest.mark.parametrize("wrong_s", [-3600.0, 7200.0])
def test_a_wrong_clock_is_noticed_and_what_arrives_is_timed_by_the_databases(
    connection: psycopg.Connection[Any], wrong_s: float
) -> None:
    machine = _Machine(wrong_s)
    clock = ClockOffset(wall_s=machine.wall_s)
    assert clock.due
    clock.look(connection)
    assert not clock.due
    (corrected,) = clock.corrected([machine.message()])
    assert abs(_off_s(corrected)) < TOLERANCE_S
    assert clock.trouble is not None
    assert ("behind" in clock.trouble) == (wrong_s < 0)
    # put right: that is noticed at once, not at the next look
    machine.wrong_s = 0.0
    assert clock.due
    clock.look(connection)
    assert (clock.offset_s, clock.trouble) == (0.0, None)
    message = machine.message()
    assert clock.corrected([message]) == [message]


def test_a_clock_that_is_right_is_left_alone(connection: psycopg.Connection[Any]) -> None:
    machine = _Machine(1.0)
    clock = ClockOffset(wall_s=machine.wall_s)
    clock.look(connection)
    assert (clock.offset_s, clock.trouble) == (0.0, None)


def test_a_look_that_took_long_says_nothing_and_is_repeated(
    connection: psycopg.Connection[Any],
) -> None:
    machine = _Machine(-3600.0)
    passed = iter([0.0, 2.0, 2.0])
    clock = ClockOffset(wall_s=machine.wall_s, elapsed_s=lambda: next(passed))
    clock.look(connection)
    assert clock.offset_s == 0.0
    assert clock.due
