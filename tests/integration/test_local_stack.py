"""The local stack, started for real: in the background, in the foreground, killed, refused."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Device
from tests.local_stack import STACK_PATIENCE_S, Local
from tests.patience import PATIENCE_S, until
from tests.services import server_directory
from tests.shelly import Shelly, wait_until_heard
from tests.unhindered import Unhindered

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(5 * STACK_PATIENCE_S)]

#: From ``make run`` and an unknown Shelly to a right total, people's deciding left out, and what
#: others on the machine hold up. The stack's own start is waited for before.
_SHELLY_WITHIN_S = 60.0

_SERVICES = (
    "postgres",
    "nats",
    "ingest",
    "aggregator",
    "notifier",
    "api",
    "simulator",
    "broker-watch",
)


@pytest.fixture
def local() -> Iterator[Local]:
    with server_directory() as parent:
        # PostgreSQL's user must be able to walk down to the data
        parent.chmod(0o755)
        directory = parent / "tonne"
        directory.mkdir()
        stack = Local.at(directory)
        yield stack
        if (directory / "supervisord.pid").exists():
            stack.call("down")


def test_up_and_down_can_be_repeated_and_the_killed_come_back(local: Local) -> None:
    for _ in range(2):
        done = local.call("up")
        assert done.returncode == 0, done.stdout + done.stderr
        assert local.ready()

    before = local.pids()
    assert set(before) == set(_SERVICES)
    listed = local.call("status")
    assert listed.returncode == 0, listed.stdout
    words = [line.replace(",", "").split() for line in listed.stdout.splitlines()]
    assert {word[0]: int(word[3]) for word in words if word[1] == "RUNNING"} == before
    for name in _SERVICES:
        os.kill(before[name], signal.SIGKILL)

    def all_came_back() -> bool:
        now = local.pids()
        return set(now) == set(_SERVICES) and not set(now.values()) & set(before.values())

    local.until(lambda: all_came_back() and local.ready(), "all came back and the stack is ready")

    for _ in range(2):
        assert local.call("down").returncode == 0
        assert local.processes() == []


def test_nothing_outlives_the_launcher(local: Local) -> None:
    with local.launched() as launcher:
        local.until(local.ready, "the stack is ready", launcher)
        _adopt_an_unknown_shelly(local)
        launcher.kill()
    # asked before it knows of its launcher's end, supervisord would say that all is well
    local.until(lambda: not local.pids(), "supervisord stops")
    # started now, the next one waits for those before it
    with local.launched() as launcher:
        local.until(
            lambda: len(local.pids()) == len(_SERVICES) and local.ready(),
            "one of each service runs, and the stack is ready",
            launcher,
        )
        supervisor = int((local.directory / "supervisord.pid").read_text())
        os.kill(supervisor, signal.SIGKILL)
        assert launcher.wait(STACK_PATIENCE_S) == 1
    local.until(lambda: local.processes() == [], "every process is gone")

    with local.launched() as launcher:
        local.until(local.ready, "the stack is ready", launcher)
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(STACK_PATIENCE_S) == 0
    assert local.processes() == []


def _adopt_an_unknown_shelly(local: Local) -> None:
    """Go from what a Shelly publishes that nobody knows to its total, as a newcomer does."""
    url = f"http://127.0.0.1:{local.environment['TONNE_API_PORT']}"

    with (
        httpx.Client(base_url=url, timeout=PATIENCE_S) as client,
        Device(f"mqtt://127.0.0.1:{local.environment['TONNE_MQTT_PORT']}") as device,
    ):
        wait_until_heard(device, lambda: client.get("/v1/devices/candidates").json())
        passed = Unhindered()
        shelly = Shelly(device, "shellyplus1pm-a8032abe54dc")
        now = time.time()
        for i in range(4):
            shelly.notify(1000.0 * i, now - 40 + 10 * i)

        def listed() -> dict[str, Any] | None:
            rows = client.get("/v1/devices/candidates").json()
            return next((r for r in rows if r["label"] == shelly.name and r["stored"] >= 4), None)

        row = until(listed, "the Shelly is a candidate", explain=local.state)
        client.post(
            f"/v1/devices/candidates/{row['id']}/adopt",
            json={"facility": "linz", "device": "fridge", "source": {"factor": "works-grid"}},
        ).raise_for_status()

        def total_is_right() -> bool:
            sources = client.get("/v1/live", params={"facility": "linz"}).json()["sources"]
            totals = {one["id"]: one["totals"]["1h"]["co2_kg"] for one in sources}
            # 3 kWh at 0.2 kg each
            return bool(totals.get("fridge") == pytest.approx(3 * 0.2))

        until(total_is_right, "its total is right", explain=local.state)
    assert passed.seconds() < _SHELLY_WITHIN_S


def test_a_port_in_use_is_one_sentence(local: Local) -> None:
    port = local.environment["TONNE_MQTT_PORT"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(port)))
        other.listen()
        done = local.call("up")
    assert done.returncode == 1
    assert done.stderr == (
        f"tonne: port {port} cannot be used (Address already in use);"
        " stop what listens there or set TONNE_MQTT_PORT to another port\n"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"TONNE_PORT": "1"}, "TONNE_PORT is not a setting of tonne"),
        ({"TONNE_DB_PORT": "many"}, "TONNE_DB_PORT: "),
        ({"TONNE_LOCAL_DIR": "/proc/tonne"}, "/proc/tonne cannot be written"),
        ({"TONNE_LOCAL_DIR": "/tmp/" + "x" * 90}, "set TONNE_LOCAL_DIR to a shorter one"),  # noqa: S108 - never made
    ],
)
def test_a_wrong_setting_is_one_sentence(
    local: Local, settings: dict[str, str], sentence: str
) -> None:
    done = local.call("up", **settings)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tonne: ")
    assert sentence in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_is_one_sentence(local: Local) -> None:
    small = local.directory / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)], check=True)
    try:
        done = local.call("up", TONNE_LOCAL_DIR=str(small))
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert done.returncode == 1
    assert "500 MB are needed; free some space" in done.stderr


def test_a_service_that_does_not_start_is_named_with_its_reason(local: Local) -> None:
    done = local.call("up", TONNE_OLDEST_READING="long ago")
    assert done.returncode == 1
    assert "ingest does not stay up" in done.stderr
    assert "TONNE_OLDEST_READING must be a time" in done.stderr
    assert local.processes() == []
