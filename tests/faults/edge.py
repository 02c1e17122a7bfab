"""An edge node of Sparkplug B that stores what it measures, and a device that nobody registered."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, LiteralString

from paho.mqtt.client import Client, MQTTMessage

from sensors_sim.sparkplug import EdgeNode
from sensors_sim.sparkplug_bytes import Metric
from tests.command import tonne
from tests.edge_node import Peer
from tests.faults.books import Books, Entry
from tests.faults.door_world import DoorWorld
from tests.faults.facility import EDGE, FACILITY, edge_entries
from tests.faults.publisher import connected
from tests.faults.senders import Sender
from tests.patience import until

_STORED: Final = """
SELECT count(*) FROM candidate_message
WHERE topic = %(topic)s AND convert_from(payload, 'UTF8')::jsonb->>'ts' = ANY(%(times)s)
"""
#: What is adopted, and not yet handed over to be replayed, or not yet replayed.
_WAITING: Final = """
SELECT (SELECT count(*) FROM candidate_message WHERE topic = %(topic)s)
     + (SELECT count(*) FROM quarantine WHERE topic = %(topic)s AND state = 'open')
"""

#: Messages of an unknown device before and while things go wrong.
_UNKNOWN_MESSAGES = 20


class _EdgeNode(Peer):
    """Tells births at the time of its newest value, so that they repeat it."""

    def __init__(self, port: int, first: Entry) -> None:
        metric = Metric(datatype="Double", value=first.values["energy"])
        super().__init__(
            port,
            EdgeNode(group="Faults", edge_node="Edge", devices={"Meter": {"energy": metric}}),
        )
        self.at_ms = first.ts_ms
        self._order = threading.Lock()

    def tell(self, entry: Entry, *, historical: bool) -> None:
        """Publish a value."""
        with self._order:
            self.at_ms = entry.ts_ms
            self.publish(self.node.data("Meter", entry.values, entry.ts_ms, historical=historical))

    def bear(self) -> None:
        """Publish the births."""
        with self._order:
            self.publish(*self.node.births(self.at_ms))

    def _on_message(self, client: Client, _userdata: Any, packet: MQTTMessage) -> None:
        if "/NCMD/" in packet.topic:
            with self._order:
                for birth in self.node.hear(packet.topic, bytes(packet.payload), self.at_ms):
                    client.publish(birth.topic, birth.payload, qos=0)


class SparkplugSender(Sender):
    """Nothing of Sparkplug is acknowledged: the edge node sends a round again when all is well.

    That is what one does that waits for its primary host, and what it sends twice must count once.
    """

    name = "sparkplug"
    entries = staticmethod(edge_entries)

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self._peer: _EdgeNode | None = None
        self._entries: Sequence[Entry] = ()

    def prepare(self, entries: Sequence[Entry]) -> None:
        self._entries = [entry for entry in entries if entry.device == EDGE]
        self._connect(self._entries[0])

    def send(self, _entries: Sequence[Entry], _dice: random.Random) -> None:
        peer = self._peer
        assert peer is not None
        began = time.monotonic()
        for number, entry in enumerate(self._entries):
            time.sleep(max(0.0, began + number / 100 - time.monotonic()))
            peer.tell(entry, historical=False)

    def finish(self) -> None:
        assert self._thread is not None
        self._thread.join()
        until(lambda: self.world.sparkplug_is_online, "the host is online")
        last = self._entries[-1]
        self._connect(last)
        assert self._peer is not None
        for entry in self._entries:
            self._peer.tell(entry, historical=True)
            self.books.acknowledged(entry)

    def close(self) -> None:
        if self._peer is not None:
            self._peer.vanish()
            self._peer = None

    def _connect(self, present: Entry) -> None:
        self.close()
        self._peer = _EdgeNode(self.world.broker.port, present)
        self._peer.connect(born=False)
        self._peer.bear()


class UnknownSender(Sender):
    """What discovery has stored of a device is there when the device is adopted, and counts once.

    Nobody acknowledges its messages: what came while things went wrong may be missing.
    """

    name = "discovery"

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self._device = ""
        self._power = 0.0

    def prepare(self, entries: Sequence[Entry]) -> None:
        self._device = f"u-{entries[0].ts_ms // 1000}"
        tried: list[Entry] = []

        def is_heard() -> bool:
            tried.extend(self._publish(1))
            return self._count(_STORED, tried) > 0

        # whether discovery listens shows by what it hears alone
        until(is_heard, "discovery listens")
        told = self._publish(_UNKNOWN_MESSAGES)
        until(lambda: self._count(_STORED, told) == len(told), "discovery stored what it heard")
        for entry in told:
            self.books.acknowledged(entry)

    def send(self, _entries: Sequence[Entry], _dice: random.Random) -> None:
        self._publish(_UNKNOWN_MESSAGES)

    def finish(self) -> None:
        assert self._thread is not None
        self._thread.join()
        listed = tonne(self.world.postgres.url, "devices", "discover", "--all", "--json")
        number = next(
            row["id"] for row in json.loads(listed.stdout) if self._device in json.dumps(row)
        )
        named = ("--facility", FACILITY, "--id", self._device, "--no-source")
        channel = ("--channel", "power-kw=kW:gauge")
        adopted = tonne(self.world.postgres.url, "devices", "adopt", number, *named, *channel)
        assert adopted.code == 0, adopted.said
        until(lambda: self._count(_WAITING) == 0, "what was stored of the device is replayed")

    def _publish(self, messages: int) -> list[Entry]:
        told = []
        with connected(self.world.broker.port, f"faults-{self._device}") as client:
            for _ in range(messages):
                self._power += 0.5
                # times of their own, near the present: discovery believes no others
                entry = Entry(
                    device=self._device,
                    ts_ms=int(time.time() * 1000),
                    values={"power-kw": self._power},
                )
                self.books.told(entry)
                told.append(entry)
                payload = json.dumps({"ts": entry.ts_ms, "power_kw": self._power})
                client.publish(f"{self._device}/meter", payload, qos=1)
                time.sleep(0.01)
        return told

    def _count(self, statement: LiteralString, told: Sequence[Entry] = ()) -> int:
        asked = {"topic": f"{self._device}/meter", "times": [str(entry.ts_ms) for entry in told]}
        with self.world.connect() as connection:
            row = connection.execute(statement, asked).fetchone()
        return int(str(row[0])) if row else 0
