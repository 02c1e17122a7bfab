from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.sources.inbox import Inbox
from services.ingest.sources.source import Message, SourceError
from tests.patience import until


def message(payload: bytes = b"x", *, token: object | None = 1) -> Message:
    return Message(
        topic="t", payload=payload, received_at=datetime.now(UTC), token=token, redelivered=False
    )


def take(inbox: Inbox, limit: int = 100) -> list[Message]:
    return inbox.receive(limit=limit, gather_s=0.0, timeout_s=0.0)


def test_messages_come_out_as_they_went_in_and_no_more_than_asked_for() -> None:
    inbox = Inbox(max_waiting=10)
    messages = [message(bytes([i])) for i in range(5)]
    inbox.put(messages[:3])
    inbox.put(messages[3:])
    assert take(inbox, limit=2) == messages[:2]
    assert take(inbox) == messages[2:]
    assert take(inbox) == []


def test_there_is_room_for_so_many_messages() -> None:
    inbox = Inbox(max_waiting=2)
    inbox.put([message()])
    assert inbox.has_room
    inbox.put([message()])
    assert not inbox.has_room
    take(inbox, limit=1)
    assert inbox.has_room


def test_there_is_room_for_so_many_bytes_and_a_batch_holds_fewer() -> None:
    inbox = Inbox(max_waiting=1000)
    megabytes = [message(bytes(1 << 20)) for _ in range(16)]
    inbox.put(megabytes)
    assert not inbox.has_room
    assert take(inbox) == megabytes[:1]
    assert inbox.has_room


def test_a_message_larger_than_a_batch_still_comes_out() -> None:
    inbox = Inbox(max_waiting=10)
    inbox.put([message(bytes(8 << 20)), message()])
    assert len(take(inbox)) == 1
    assert len(take(inbox)) == 1


@pytest.mark.incident
def test_a_clock_that_is_set_back_after_a_message_arrived_lets_nobody_wait() -> None:
    inbox = Inbox(max_waiting=10)
    ahead = datetime.now(UTC) + timedelta(hours=3)
    inbox.put([Message(topic="t", payload=b"x", received_at=ahead, token=1)])
    received: list[Message] = []
    waiting = threading.Thread(
        target=lambda: received.extend(inbox.receive(limit=10, gather_s=0.01, timeout_s=1)),
        daemon=True,
    )
    waiting.start()
    until(lambda: received, "it is taken")
    waiting.join()


def test_who_waits_is_woken() -> None:
    inbox = Inbox(max_waiting=10)
    received: list[Message] = []
    waiting = threading.Thread(
        target=lambda: received.extend(inbox.receive(limit=1, gather_s=60.0, timeout_s=60.0))
    )
    waiting.start()
    inbox.put([message()])
    waiting.join(timeout=30)
    assert len(received) == 1


def test_gathering_ends_when_the_batch_is_full() -> None:
    inbox = Inbox(max_waiting=10)
    inbox.put([message()] * 3)
    assert len(inbox.receive(limit=3, gather_s=60.0, timeout_s=60.0)) == 3


def test_a_lost_connection_takes_what_will_come_again() -> None:
    inbox = Inbox(max_waiting=2)
    inbox.put([message(), message(token=None)])
    inbox.take_back()
    assert inbox.has_room
    assert [m.token for m in take(inbox)] == [None]


def test_a_failure_reaches_who_waits() -> None:
    inbox = Inbox(max_waiting=2)
    caught: list[SourceError] = []

    def wait() -> None:
        with pytest.raises(SourceError, match="ZeroDivisionError") as raised:
            inbox.receive(limit=1, gather_s=0.0, timeout_s=60.0)
        caught.append(raised.value)

    waiting = threading.Thread(target=wait)
    waiting.start()
    inbox.fail(ZeroDivisionError("division by zero"))
    waiting.join(timeout=30)
    assert len(caught) == 1
