"""A host application of Sparkplug B between real brokers, an edge node and the database."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sensors_sim.sparkplug import EdgeNode
from sensors_sim.sparkplug_bytes import Metric
from tests.command import tonne as called
from tests.contract.ingest.traffic import publish
from tests.edge_node import Peer, now_ms
from tests.integration.ingest.plant import Plant
from tests.patience import until
from tests.services import Mosquitto, Nats, Server, as_login, server_directory

pytestmark = [pytest.mark.broker, pytest.mark.database]

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
"""


@pytest.fixture(scope="module", params=[Nats, Mosquitto])
def carrier(request: pytest.FixtureRequest) -> Iterator[Server]:
    with server_directory() as directory:
        server: Server = request.param(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def plant(carrier: Server, database_url: str, tmp_path: Path) -> Iterator[Plant]:
    carrier.start()
    made = Plant(
        database=database_url,
        broker=carrier,
        url=f"mqtt://127.0.0.1:{carrier.port}",
        log=tmp_path / "ingest.log",
    )
    made.apply(FILE)
    yield made
    made.kill()


@pytest.fixture
def peer(carrier: Server) -> Iterator[Peer]:
    node = EdgeNode(
        group="Linz",
        edge_node="Gateway.1",
        metrics={"Load": Metric(datatype="Float", value=12.5)},
        devices={
            "Meter-1": {
                "Power": Metric(datatype="Double", value=5.0, properties={"engUnit": "kW"}),
                "Energy/Import": Metric(datatype="UInt64", value=1000),
            }
        },
    )
    with Peer(carrier.port, node) as made:
        yield made


METER = """
devices:
  - id: other
    channels: [{id: power, quantity: power, unit: kW, kind: gauge}]
"""


def tonne(plant: Plant, *words: str) -> str:
    ended = called(as_login(plant.database, "tonne_admin"), *words)
    assert ended.code == 0, ended.said
    return ended.said


def online(plant: Plant, **settings: str | None) -> None:
    """Start ingest and wait until the host is online."""
    before = plant.said("Sparkplug host is online")
    plant.started(**settings)
    until(
        lambda: plant.said("Sparkplug host is online") > before or plant.exited,
        "the host is online",
    )


def is_online(peer: Peer) -> bool:
    """Whether the last that the edge node heard of the host is its birth."""
    return bool(peer.states()) and json.loads(peer.states()[-1])["online"]


def powers(plant: Plant) -> list[float | None]:
    return [value for slug, _, value, _ in plant.readings() if slug == "power"]


def devices(plant: Plant) -> dict[str, bool | None]:
    return {row["slug"]: row["online"] for row in plant.rows("SELECT slug, online FROM device")}


def test_births_and_data_become_readings(plant: Plant, peer: Peer) -> None:
    online(plant)
    peer.connect()
    plant.holds(readings=3)
    at = now_ms()
    peer.publish(peer.data("Meter-1", at, Power=7.5, **{"Energy/Import": 1001}))
    plant.holds(readings=5)
    assert [(slug, value) for slug, _, value, _ in plant.readings()] == [
        ("import", 1000.0),
        ("import", 1001.0),
        ("load", 12.5),
        ("power", 5.0),
        ("power", 7.5),
    ]
    assert plant.readings()[-1][1] == datetime.fromtimestamp(at / 1000, UTC)
    assert plant.quarantine() == []
    until(lambda: devices(plant) == {"meter": True, "gateway": True}, "both are online")
    assert peer.rebirths == 0


def test_the_host_says_that_it_is_online_until_it_ends(plant: Plant, peer: Peer) -> None:
    # host-topic-phid-birth-required, ...-birth-retain, ...-death-retain, conformance-primary-host,
    # operational-behavior-host-application-connect-will-retained
    peer.connect(born=False)
    online(plant)
    until(lambda: is_online(peer), "the host's birth")
    born = json.loads(peer.states()[-1])
    assert born["online"] is True
    assert plant.end() == 0
    until(lambda: not is_online(peer), "the host's death")
    assert json.loads(peer.states()[-1])["timestamp"] >= born["timestamp"]
    with Peer(peer.port, EdgeNode(group="x", edge_node="y")) as later:
        later.connect(born=False)
        until(lambda: later.states() != [], "what the broker retained")
        assert [retained for topic, _, retained in later.heard if "/STATE/" in topic] == [True]
        assert json.loads(later.states()[0])["online"] is False


def test_a_killed_host_is_offline_by_its_will(plant: Plant, peer: Peer) -> None:
    peer.connect(born=False)
    online(plant)
    until(lambda: is_online(peer), "the host's birth")
    born = json.loads(peer.states()[-1])
    plant.end(signal.SIGKILL)
    until(lambda: not is_online(peer), "the host's will")
    # host-topic-phid-birth-payload-timestamp: the same as in the CONNECT packet
    assert json.loads(peer.states()[-1])["timestamp"] == born["timestamp"]


def test_somebody_elses_word_that_the_host_is_offline_is_answered(plant: Plant, peer: Peer) -> None:
    word = ("spBv1.0/STATE/tonne", b'{"online":false,"timestamp":1}')
    # what was retained before the birth is replaced by it, and needs no answer
    publish(plant.broker.port, [word], retain=True)
    peer.connect(born=False)
    online(plant)
    until(lambda: is_online(peer), "the host's birth")
    publish(plant.broker.port, [word], retain=True)
    until(lambda: peer.states().count(word[1]) == 2 and is_online(peer), "the answer")
    assert plant.end() == 0
    until(lambda: not is_online(peer), "the host's death")
    # one birth for each: a second one would hide which word it answers
    said = [json.loads(state)["online"] for state in peer.states()]
    assert said == [n % 2 == 1 for n in range(len(said))]


def test_a_host_that_comes_late_asks_for_births_and_loses_nothing(plant: Plant, peer: Peer) -> None:
    peer.connect()
    peer.publish(peer.data("Meter-1", Power=6.0))
    online(plant, TONNE_SPARKPLUG_REORDER_S="30")
    # it hears data by aliases before it heard any birth
    peer.publish(peer.data("Meter-1", now_ms() + 1, Power=7.0))
    until(lambda: 7.0 in powers(plant), "what waited for the birth")
    assert peer.rebirths == 1
    assert plant.quarantine() == []


def test_a_message_that_is_lost_is_followed_by_a_rebirth(plant: Plant, peer: Peer) -> None:
    online(plant, TONNE_SPARKPLUG_REORDER_S="0.5")
    peer.connect()
    plant.holds(readings=3)
    peer.data("Meter-1", Power=6.0)
    peer.publish(peer.data("Meter-1", now_ms() + 1, Power=7.0))
    until(lambda: 7.0 in powers(plant), "what waited for the rebirth")
    assert peer.rebirths == 1
    # what was lost is present in the rebirth only as far as it still holds
    assert powers(plant)[-2:] == [7.0, 7.0]
    assert plant.quarantine() == []


def test_the_death_of_an_edge_node_ends_what_its_gauges_hold(plant: Plant, peer: Peer) -> None:
    online(plant)
    peer.connect()
    plant.holds(readings=3)
    peer.vanish()
    until(lambda: devices(plant) == {"meter": False, "gateway": False}, "both are offline")
    until(lambda: powers(plant)[-1:] == [None], "a gap")
    assert [value for slug, _, value, _ in plant.readings() if slug == "import"] == [1000.0]
    peer.connect()
    until(lambda: devices(plant) == {"meter": True, "gateway": True}, "both are online")
    until(lambda: len(powers(plant)) == 3, "the births are stored")
    assert powers(plant) == [5.0, None, 5.0]


def test_history_is_stored_at_its_own_time(plant: Plant, peer: Peer) -> None:
    online(plant)
    peer.connect()
    plant.holds(readings=3)
    earlier = now_ms() - 3_600_000
    peer.publish(peer.node.data("Meter-1", {"Power": 3.0}, earlier, historical=True))
    plant.holds(readings=4)
    assert (powers(plant)[0], plant.readings()[-2][1]) == (
        3.0,
        datetime.fromtimestamp(earlier / 1000, UTC),
    )


def test_what_no_birth_explains_lies_in_quarantine(plant: Plant, peer: Peer) -> None:
    online(plant)
    peer.connect()
    plant.holds(readings=3)
    peer.answers = False
    lost = peer.data("Meter-1", Power=6.0)
    waiting = peer.data("Meter-1", now_ms() + 1, Power=7.0)
    peer.publish(waiting)
    until(lambda: peer.rebirths == 1, "it is asked")
    assert plant.end() == 0
    (entry,) = plant.quarantine()
    assert entry["reason"] == "unknown_metric"
    assert bytes(entry["payload"]) == waiting.payload
    assert lost.payload != waiting.payload
    assert powers(plant) == [5.0]


def test_an_edge_node_that_nobody_registered_is_proposed_and_adopted(
    plant: Plant, peer: Peer
) -> None:
    plant.apply("facility: {id: linz, name: Linz works, timezone: Europe/Vienna}\n" + METER)
    plant.started()
    peer.connect()

    def proposed() -> list[dict[str, Any]]:
        peer.publish(*peer.node.births(now_ms()))
        return list(json.loads(tonne(plant, "devices", "discover", "--json")))

    (meter,) = until(proposed, "the device is a candidate")
    assert [(c["path"], c["unit"], c["last"]) for c in meter["channels"]] == [
        ("Energy/Import", "kWh", 1000.0),
        ("Power", "kW", 5.0),
    ]
    adopt = ("devices", "adopt", str(meter["id"]), "--facility", "linz", "--no-source")
    tonne(plant, *adopt)
    until(lambda: plant.said("Sparkplug host is online") == 1, "the host is online")
    until(lambda: len(plant.readings()) >= 1, "the births that it was asked for")
    peer.publish(peer.data("Meter-1", now_ms() + 1, Power=9.0))
    until(lambda: 9.0 in powers(plant), "its data")
    assert plant.quarantine() == []


def test_of_two_ingests_one_is_the_host_and_the_other_takes_over(
    plant: Plant, peer: Peer, tmp_path: Path
) -> None:
    online(plant)
    twin = Plant(
        database=plant.database,
        broker=plant.broker,
        url=plant.url,
        log=tmp_path / "twin.log",
    )
    try:
        twin.started()
        peer.connect()
        plant.holds(readings=3)
        assert twin.said("Sparkplug host is online") == 0
        plant.end(signal.SIGKILL)
        until(lambda: twin.said("Sparkplug host is online") == 1, "the other is the host")
        peer.publish(peer.data("Meter-1", now_ms() + 1, Power=8.0))
        until(lambda: 8.0 in powers(twin), "what came meanwhile")
        assert twin.quarantine() == []
    finally:
        twin.kill()
