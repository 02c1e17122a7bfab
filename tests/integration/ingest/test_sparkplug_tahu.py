"""tonne's host application against Eclipse Tahu: its payloads, aliases and sequence numbers."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from tests.examples import ROOT
from tests.integration.aggregator.plant import Plant as Totals
from tests.integration.ingest.plant import Plant
from tests.patience import PATIENCE_S, until
from tests.services import Mosquitto, Nats, Server, server_directory

pytestmark = [pytest.mark.broker, pytest.mark.database]

#: Installed by ``deploy/local/bootstrap.sh test``.
TAHU = ROOT / ".venv" / "tahu"

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter
    format: sparkplug
    sparkplug: {group: Linz, edge_node: Gateway.1, device: Meter-1}
    channels:
      - {id: power, from: Power, quantity: power, unit: kW, kind: gauge, max_gap: 24h}
      - {id: import, from: Energy/Import, quantity: energy, unit: kWh, kind: counter}
  - id: gateway
    format: sparkplug
    sparkplug: {group: Linz, edge_node: Gateway.1}
    channels:
      - {id: load, from: Load, quantity: fraction, unit: "%", kind: gauge}
factors: [{id: f, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: a certificate}]
sources: [{id: grid, scope: 2, method: activity, input: meter.import, factor: f}]
"""


class Tahu:
    """The edge node of :mod:`tests.tahu.node`, a process of its own."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tahu.node", str(port), "tonne"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(TAHU)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._events: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
            process.wait(PATIENCE_S)

    def order(self, **order: Any) -> None:
        """Let it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def measure(self, power: float, register: int, *, told: str = "sent") -> None:
        """Let it measure, and wait until it has told so."""
        self.order(measure={"Power": power, "Energy/Import": register})
        self.tells(told)

    def tells(self, event: str) -> None:
        """Wait until it tells this; a host may ask for births more than once."""
        while self._events.get(timeout=PATIENCE_S) != event:
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.put(json.loads(line))


@pytest.fixture(params=[Nats, Mosquitto])
def carrier(request: pytest.FixtureRequest) -> Iterator[Server]:
    with server_directory() as directory:
        server: Server = request.param(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def plant(carrier: Server, database_url: str, tmp_path: Path) -> Iterator[Plant]:
    made = Plant(
        database=database_url,
        broker=carrier,
        url=f"mqtt://127.0.0.1:{carrier.port}",
        log=tmp_path / "ingest.log",
    )
    made.apply(FILE)
    yield made
    made.kill()


def registers(plant: Plant) -> list[float | None]:
    return [value for slug, _, value, _ in plant.readings() if slug == "import"]


def online(plant: Plant) -> dict[str, bool | None]:
    return {row["slug"]: row["online"] for row in plant.rows("SELECT slug, online FROM device")}


def test_a_life_of_an_edge_node_of_tahu_ends_in_the_right_total(plant: Plant) -> None:
    with Tahu(plant.broker.port) as node:
        # it waits for its primary host, and stores what it measures meanwhile
        node.measure(5.0, 1000, told="stored")
        plant.started(TONNE_SPARKPLUG_REORDER_S="0.5")
        node.tells("born")
        node.measure(6.0, 1010)
        until(lambda: registers(plant)[-1:] == [1010.0], "the data after the birth")

        # a message is lost: its number is missing, and tonne asks for the births
        node.order(lose=True)
        node.measure(7.0, 1020)
        node.tells("rebirth")
        node.tells("born")
        until(lambda: registers(plant)[-1:] == [1020.0], "what waited for the rebirth")

        # its primary host goes, tells so by STATE, and comes back to what was stored
        assert plant.end() == 0
        node.tells("waits")
        node.measure(8.0, 1030, told="stored")
        plant.started(TONNE_SPARKPLUG_REORDER_S="0.5")
        node.tells("born")
        node.measure(9.0, 1040)
        until(lambda: registers(plant)[-1:] == [1040.0], "the data after it came back")
        assert 1030.0 in registers(plant)
        until(lambda: online(plant) == {"meter": True, "gateway": True}, "both are online")

        # it dies without a word, but for its will
        node.order(vanish=True)
        until(lambda: online(plant) == {"meter": False, "gateway": False}, "both are offline")
        node.order(connect=True)
        node.tells("born")
        until(lambda: online(plant) == {"meter": True, "gateway": True}, "both are online again")

    assert plant.quarantine() == []
    assert "load" in {slug for slug, *_ in plant.readings()}
    totals = Totals(plant.database, FILE)
    totals.tick(datetime.now(UTC))
    # 40 kWh at 0.25 kg each
    assert totals.rows("SELECT sum(co2_ug) FROM emission_minute") == [(10 * 10**9,)]
    totals.close()
