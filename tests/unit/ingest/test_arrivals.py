from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.ingest.arrivals import Arrivals
from services.ingest.sources.mqtt import backlog
from services.ingest.sources.mqtt.backlog import Backlog
from services.ingest.sources.mqtt.packet_token import PacketToken
from services.ingest.sources.source import Message

NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
LIVE = Message(topic="t", payload=b"1", received_at=NOW, token=None)
AGAIN = replace(LIVE, redelivered=True, sent_before=NOW)
TOLD = replace(LIVE, stored_at=NOW)
SECOND_US = 1_000_000


def times(arrivals: Arrivals, message: Message, arrived_us: list[int]) -> list[int]:
    return [each + arrivals.shift_us(1, message, each) for each in arrived_us]


@given(st.lists(st.integers(0, 50 * SECOND_US), min_size=2))
def test_the_times_of_a_device_rise_however_its_messages_arrive(arrived_us: list[int]) -> None:
    # a clock that is put back a little included
    found = times(Arrivals(), LIVE, arrived_us)
    assert all(a < b for a, b in pairwise(found))
    assert all(given >= arrived for given, arrived in zip(found, arrived_us, strict=True))


def test_a_clock_that_is_put_back_far_is_believed() -> None:
    hour_us = 3600 * SECOND_US
    assert times(Arrivals(), LIVE, [hour_us, 0, 0]) == [hour_us, 0, 1]


def test_devices_do_not_wait_for_each_other() -> None:
    arrivals = Arrivals()
    assert [arrivals.shift_us(device, LIVE, 7) for device in (1, 2, 1, 2)] == [0, 0, 1, 1]


def test_what_is_delivered_again_comes_before_what_is_live() -> None:
    arrivals = Arrivals()
    assert times(arrivals, LIVE, [100]) == [100]
    assert times(arrivals, AGAIN, [40, 40]) == [40, 41]
    assert times(arrivals, LIVE, [100]) == [101]


def test_a_time_that_the_broker_tells_stays() -> None:
    assert times(Arrivals(), TOLD, [7, 7, 6]) == [7, 7, 6]


def test_several_values_of_one_message_push_the_next_one_on() -> None:
    arrivals = Arrivals()
    assert times(arrivals, LIVE, [7]) == [7]
    arrivals.extend(1, LIVE, 9)
    assert times(arrivals, LIVE, [7]) == [10]


class Line:
    """Bursts as a session reads them, at the times that a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, kept: bool) -> None:
        self._now = 0.0
        monkeypatch.setattr(backlog.time, "monotonic", lambda: self._now)
        self.backlog = Backlog(connected_at=NOW, session_present=kept)

    def waited(self, after_s: float, *packet_ids: int) -> list[bool]:
        self._now += after_s
        burst = [replace(LIVE, token=PacketToken(1, each)) for each in packet_ids]
        return [message.waited for message in self.backlog.delivered(burst)]


def test_what_comes_before_the_first_pause_may_have_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, kept=True)
    assert line.waited(0.5, 1, 2) == [True, True]
    assert line.waited(0.05, 3) == [True]
    assert line.waited(0.2, 4) == [False]
    assert line.waited(0.01, 5) == [False]


def test_a_pause_for_want_of_acknowledgements_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, kept=True)
    assert line.waited(0.1, *range(20)) == [True] * 20
    line.backlog.acked(range(20))
    assert line.waited(0.05, *range(20)) == [True] * 20
    # twenty are on their way: the broker may have been waiting for us
    assert line.waited(5.0, 30) == [True]
    line.backlog.acked([*range(20), 30])
    assert line.waited(0.2, 31) == [False]


def test_without_a_kept_session_nothing_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Line(monkeypatch, kept=False).waited(0.0, 1) == [False]


def test_a_message_that_comes_again_while_it_is_in_hand_is_the_same_one() -> None:
    line = Backlog(connected_at=NOW, session_present=False)
    first = replace(LIVE, token=PacketToken(1, 7))
    again = replace(first, redelivered=True)
    assert line.delivered([first]) == [first]
    assert line.delivered([again]) == []
    line.acked([7])
    (older,) = line.delivered([replace(again, received_at=NOW + timedelta(seconds=10))])
    assert (older.waited, older.arrived_at) == (True, NOW)
