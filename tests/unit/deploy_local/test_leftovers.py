"""Only processes of the stack in question are ended, whatever else looks alike."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.leftovers import end_leftovers
from deploy.local.places import Places
from services.core.runtime.settings import Settings


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(
        local_dir=tmp_path / "mine", settings=Settings(), own_database=True, own_broker=True
    )


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()


def _sleeper(socket: Path, name: str) -> subprocess.Popen[bytes]:
    # what supervisord tells each process it starts
    environment = {
        "SUPERVISOR_SERVER_URL": f"unix://{socket}",
        "SUPERVISOR_PROCESS_NAME": name,
    }
    return subprocess.Popen(["sleep", "1000"], env=os.environ | environment)


def test_a_process_of_this_stack_is_ended_and_one_of_another_is_not(
    places: Places, started: list[subprocess.Popen[bytes]]
) -> None:
    mine = _sleeper(places.supervisor_socket, "ingest")
    started.append(mine)
    other = _sleeper(places.local_dir.parent / "other" / "supervisor.sock", "ingest")
    started.append(other)

    assert end_leftovers(places) == [f"ingest ({mine.pid})"]
    assert mine.wait(10) != 0
    assert other.poll() is None
    assert end_leftovers(places) == []
