"""The door answers every body, also where it can take none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.core.runtime.reading_door import (
    LONGEST_PATH,
    Answer,
    DoorClosedError,
    Head,
    Question,
    ask,
)
from services.ingest.sources.http import listener
from services.ingest.sources.http.listener import DoorUnusableError, HttpDoor
from tests.patience import PATIENCE_S, until
from tests.services import is_listening, server_directory

BODY = b'[{"facility": "linz", "device": "m", "ts": 1795456800, "values": {"p": 1}}]'


def unasked(question: Head, _body: bytes) -> Answer:
    raise AssertionError(question)


@pytest.fixture
def path() -> Iterator[Path]:
    # a socket's address is short
    with server_directory() as directory:
        yield directory / "door.sock"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes from a door while a test waits for something else."""
    monkeypatch.setattr(listener, "_SILENT_S", PATIENCE_S)


@pytest.fixture
def door(path: Path) -> Iterator[HttpDoor]:
    made = HttpDoor(path, max_bytes=1000, nudge=lambda: None, errands=unasked)
    made.start()
    until(lambda: is_listening(path), "it listens")
    yield made
    made.close()
    assert not path.exists()


async def asked(path: Path, body: bytes = BODY, size: int | None = None) -> Answer:
    return await ask(path, Question(form="json", body_bytes=size or len(body)), [body])


async def test_a_fault_is_answered_and_ends_nothing(
    door: HttpDoor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del door

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(listener.body, "read", fail)
    for _ in range(2):
        answer = await asked(path)
        assert (answer.outcome, answer.verdicts) == ("failed", None)
        assert "KeyError" in answer.detail


async def test_what_cannot_be_stored_now_is_not_taken(
    door: HttpDoor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await asked(path, b" " * 2000)).outcome == "too-large"
    assert (await asked(path, b"[{")).outcome == "unusable"
    # a body without a reading waits for nobody
    answer = await asked(path, b"[7]")
    assert answer.verdicts is not None
    assert answer.verdicts.refused == 1
    monkeypatch.setattr(listener, "_WAITING_BYTES", 10)
    monkeypatch.setattr(door, "_waiting_bytes", 5)
    assert (await asked(path)).outcome == "busy"
    # the database is away, so that nobody asks for messages
    monkeypatch.setattr(listener, "_SILENT_S", -1.0)
    assert (await asked(path)).outcome == "unable"
    assert door.take(10) == []


async def test_a_small_body_does_not_wait_until_a_large_one_is_taken(path: Path) -> None:
    nudges = threading.Semaphore(0)
    door = HttpDoor(path, max_bytes=100_000, nudge=nudges.release, errands=unasked)
    door.start()
    until(lambda: is_listening(path), "it listens")
    large = msgspec.json.encode(
        [{"facility": "linz", "device": f"m{n}", "ts": 1795456800, "values": {"p": 1}}
         for n in range(20)]
    )  # fmt: skip
    answers = []
    try:
        for body in (large, BODY.replace(b'"m"', b'"small"')):
            answers.append(asyncio.create_task(asked(path, body)))
            await asyncio.to_thread(nudges.acquire)
        topics = [message.topic.split("/")[2] for message in door.take(3)]
        assert topics == ["m0", "small", "m1"]
        assert len(door.take(100)) == 18
    finally:
        for answer in answers:
            answer.cancel()
        door.close()


async def test_a_large_body_that_is_not_taken_is_answered_all_the_same(path: Path) -> None:
    # more than a socket holds, so that most of it is under way when the answer is there
    body = b" " * (4 << 20)
    door = HttpDoor(path, max_bytes=1000, nudge=lambda: None, errands=unasked)
    door.start()
    until(lambda: is_listening(path), "it listens")
    try:
        for _ in range(20):
            assert (await asked(path, body)).outcome == "too-large"
    finally:
        door.close()


async def test_nobody_listens(path: Path) -> None:
    with pytest.raises(DoorClosedError):
        await asked(path)


def test_a_place_that_can_hold_no_socket_is_named(path: Path) -> None:
    with pytest.raises(DoorUnusableError, match=f"longer than the {LONGEST_PATH} bytes"):
        HttpDoor(path.parent / ("x" * 120), max_bytes=1, nudge=lambda: None, errands=unasked)
    with pytest.raises(DoorUnusableError, match="there is no folder"):
        HttpDoor(
            path.parent / "none" / "door.sock", max_bytes=1, nudge=lambda: None, errands=unasked
        )


async def test_a_second_process_waits_for_the_first(door: HttpDoor, path: Path) -> None:
    del door
    with pytest.raises(OSError, match="another ingest listens"):
        listener._listening(path)
    assert (await asked(path, b"[7]")).outcome == "taken"
