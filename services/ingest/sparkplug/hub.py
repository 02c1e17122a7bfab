"""All edge nodes of one connection, and what comes of their messages: no thread, no network.

Effects of :mod:`.session` become messages for ingest's other steps, births to store, and requests
to publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.core.runtime import metrics
from services.core.timeline.instants import to_us
from services.ingest.decode.sparkplug_payload import Payload
from services.ingest.sources.source import Message
from services.ingest.sparkplug import session
from services.ingest.sparkplug.births import Birth
from services.ingest.sparkplug.effects import (
    Arrival,
    AskRebirth,
    Born,
    Effect,
    Forward,
    Online,
    Stale,
)
from services.ingest.sparkplug.publishers import dead_node_topic
from services.ingest.sparkplug.rebirth import rebirth
from services.ingest.sparkplug.session import EdgeNode
from services.ingest.sparkplug.topics import Address, Verb, handed_topic, parse, status_topic

Name = tuple[str, str]
"""Group and edge node."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Handed:
    """What comes of a step."""

    messages: Sequence[Message]
    births: Sequence[Born]
    #: requests to publish: topic and payload
    requests: Sequence[tuple[str, bytes]]


class Hub:
    """The edge nodes that are heard; times are seconds of a monotonic clock."""

    def __init__(
        self,
        reorder_timeout_s: float,
        utc: Callable[[], datetime],
    ) -> None:
        self._reorder_timeout_s = reorder_timeout_s
        self._utc = utc
        self._nodes: dict[Name, EdgeNode] = {}
        #: those whose next step is due by itself
        self._due: dict[Name, float] = {}

    def want(
        self, names: Iterable[Name], stored: Mapping[Name, Mapping[str, Birth]], now: float
    ) -> None:
        """Make these the edge nodes that are heard; ``stored``: their births, by device."""
        wanted = set(names)
        for name in self._nodes.keys() - wanted:
            del self._nodes[name]
            self._due.pop(name, None)
        for group, edge_node in wanted - self._nodes.keys():
            node = EdgeNode(
                group=group,
                edge_node=edge_node,
                reorder_timeout_s=self._reorder_timeout_s,
                former=stored.get((group, edge_node), {}),
            )
            self._set((group, edge_node), session.begin(node, now))

    def begin(self, now: float) -> None:
        """Note that a connection begins."""
        for name, node in list(self._nodes.items()):
            self._set(name, session.begin(node, now))

    def arrive(self, topic: str, payload: bytes, now: float) -> Handed:
        """Take a message."""
        address = parse(topic)
        if address is None:
            return _NOTHING
        name = (address.group, address.edge_node)
        node = self._nodes.get(name)
        if node is None:
            # of a group that is heard; what no device names, discovery proposes
            return _NOTHING
        arrival = Arrival(address=address, payload=payload, received_at=self._utc())
        node, effects = session.arrive(node, arrival, now)
        self._set(name, node)
        return self._handed(effects)

    def tick(self, now: float) -> Handed:
        """Do what is due."""
        effects: list[Effect] = []
        for name in [name for name, due_at in self._due.items() if due_at <= now]:
            node, more = session.tick(self._nodes[name], now)
            self._set(name, node)
            effects += more
        return self._handed(effects)

    def end(self) -> Handed:
        """Hand on what still waits."""
        effects: list[Effect] = []
        for name, node in list(self._nodes.items()):
            ended, more = session.give_up(node)
            self._set(name, ended)
            effects += more
        return self._handed(effects)

    @property
    def due_at(self) -> float | None:
        """When :meth:`tick` has something to do."""
        return min(self._due.values(), default=None)

    @property
    def waiting(self) -> int:
        """How many messages wait for a birth."""
        return sum(len(node.waiting) for node in self._nodes.values())

    @property
    def online(self) -> int:
        """How many edge nodes have a birth in force."""
        return sum(node.is_online for node in self._nodes.values())

    def _set(self, name: Name, node: EdgeNode) -> None:
        self._nodes[name] = node
        due_at = session.due_at(node)
        if due_at is None:
            self._due.pop(name, None)
        else:
            self._due[name] = due_at

    def _handed(self, effects: Sequence[Effect]) -> Handed:
        if not effects:
            return _NOTHING
        messages: list[Message] = []
        births: list[Born] = []
        requests: list[tuple[str, bytes]] = []
        for effect in effects:
            match effect:
                case Forward():
                    messages.append(_forwarded(effect))
                case Stale():
                    messages += self._stale(effect)
                case Online():
                    topic = status_topic(effect.group, effect.edge_node, effect.device)
                    messages.append(_message(topic, b"online", effect.instant))
                case Born():
                    births.append(effect)
                case AskRebirth():
                    metrics.ingest_sparkplug_rebirths.inc()
                    now_ms = to_us(self._utc()) // 1000
                    requests.append(rebirth(effect.group, effect.edge_node, now_ms))
        return Handed(messages=messages, births=births, requests=requests)

    def _stale(self, effect: Stale) -> list[Message]:
        """Say that a device is offline, and that what it measured holds no longer."""
        received_at = self._utc()
        # a device's clock may be ahead; its next birth must be later than its death
        instant = min(effect.instant, received_at)
        verb = Verb.DDEATH if effect.device else Verb.NDEATH
        address = Address(
            group=effect.group, verb=verb, edge_node=effect.edge_node, device=effect.device
        )
        status = (
            status_topic(effect.group, effect.edge_node, effect.device)
            if effect.device
            else dead_node_topic(effect.group, effect.edge_node)
        )
        gap = Payload(timestamp=to_us(instant) // 1000).SerializeToString()
        return [
            # retained: it says nothing of when the device spoke last
            Message(
                topic=handed_topic(address),
                payload=gap,
                received_at=received_at,
                token=None,
                retained=True,
            ),
            Message(
                topic=status,
                payload=b"offline",
                received_at=received_at,
                token=None,
                sent_before=instant,
            ),
        ]


_NOTHING: Final = Handed(messages=(), births=(), requests=())


def _forwarded(effect: Forward) -> Message:
    return _message(handed_topic(effect.address), effect.payload, effect.received_at)


def _message(topic: str, payload: bytes, received_at: datetime) -> Message:
    return Message(topic=topic, payload=payload, received_at=received_at, token=None)
