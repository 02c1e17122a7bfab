"""The subscriptions of one MQTT session: asked for, granted, refused, drained, left."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import structlog
from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode

from services.ingest.sources.overlap import Overlap
from services.ingest.sources.source import Refusals

_log: Final = structlog.get_logger()

#: Leaving a filter that is not there changes nothing, and every broker answers it.
_BARRIER: Final = "emissions/_tonne/barrier"

#: How often a connection may end while a filter is asked for, until it counts as the reason.
_STRIKES: Final = 3

_REFUSED: Final = (
    "the broker refuses the subscription; give tonne's user the right to read it, or, with NATS,"
    " lower mqtt.max_ack_pending: its sum over all subscriptions (a filter that ends in /# counts"
    " twice) must stay below 65536"
)
_SPACE: Final = "NATS carries no topic with a space; let the device publish at another"
_ENDS: Final = "the broker ends the connection when it is asked for this; give the device another"


class MqttSubscriptions:
    """Keeps a session's subscriptions as its owner wants them; a filter that is refused is said.

    One filter a packet, so that each has its own answer.
    """

    def __init__(self, client: Client, *, broker: str, overlap_s: float) -> None:
        self._client = client
        self._broker = broker
        self._overlap = Overlap(overlap_s)
        self._connected = False
        self.wanted: frozenset[str] = frozenset()
        self._draining: frozenset[str] = frozenset()
        #: granted, on this connection or an earlier one of the same session
        self._granted: set[str] = set()
        self._asked: dict[int, str] = {}
        self._leaving: dict[int, str] = {}
        self._strikes: Counter[str] = Counter()
        #: filters that the broker does not grant, with the reason
        self._refused: dict[str, str] = {}
        self._left: frozenset[str] = frozenset()

    @property
    def settled(self) -> bool:
        """Whether the broker has answered for every filter."""
        return (
            self._connected
            and not (self._asked or self._leaving)
            and self.wanted <= self._granted | self._refused.keys()
        )

    @property
    def refused(self) -> Refusals:
        """Filters that the broker does not grant, with the reason; never changed, only replaced."""
        return self._refused

    @property
    def left(self) -> frozenset[str]:
        """Filters that this session has ended."""
        return self._left

    @property
    def draining(self) -> bool:
        """Whether old filters stand beside the new, so that signs are looked for."""
        return bool(self._draining) and self._connected

    @property
    def look_every_s(self) -> float:
        """How often :meth:`look` has to be called while filters are drained."""
        return self._overlap.look_every_s

    def want(
        self,
        wanted: frozenset[str],
        draining: frozenset[str],
        needless: frozenset[str],
        renewed: frozenset[str] = frozenset(),
    ) -> None:
        """Listen to ``wanted``, leave ``draining`` when drained and all others at once.

        ``renewed``: those that are asked for again, so that the broker sends what it retains.
        """
        self.wanted, self._draining = wanted, draining
        self._granted |= draining | needless
        self._granted -= renewed & wanted
        self._left -= wanted | draining | needless
        # what was refused may be granted by now: rights change, and so does what else is held
        self._refused = {}
        self._strikes.clear()
        self._overlap.restart()
        if self._connected:
            self._ask()

    def connected(self, *, present: bool) -> None:
        """Note that a session is open; ``present``: with the filters of earlier connections."""
        self._connected = True
        self._overlap.restart()
        if not present:
            self._left |= (self._granted | self._draining) - self.wanted
            self._draining = frozenset()
        self._refused = {filter_: why for filter_, why in self._refused.items() if why == _ENDS}
        # what is there is asked for again, for a session that was lost may look present
        self._granted = self._granted - self.wanted if present else set()
        self._ask()

    def lost(self) -> None:
        """Note that the connection has ended."""
        if self._asked:
            # what comes first is answered first
            first = self._asked[min(self._asked)]
            self._strikes[first] += 1
            if self._strikes[first] >= _STRIKES:
                self._refuse(first, _ENDS)
        self._connected = False
        self._asked.clear()
        self._leaving.clear()

    def answered(self, packet_id: int, code: ReasonCode) -> None:
        """Note that the broker has answered a subscription."""
        filter_ = self._asked.pop(packet_id, None)
        if filter_ is None:
            return
        self._strikes.pop(filter_, None)
        if not code.is_failure:
            self._granted.add(filter_)
        else:
            self._granted.discard(filter_)
            self._refuse(filter_, _why(filter_, code.getName()))
        # wanted no more by the time of the answer
        self._ask()

    def ended(self, packet_id: int) -> None:
        """Note that the broker has answered an end of subscriptions."""
        self._overlap.alive(time.monotonic())
        filter_ = self._leaving.pop(packet_id, None)
        if filter_ is not None:
            self._granted.discard(filter_)
            self._left |= {filter_}
            # asked for again before the broker had answered
            self._ask()

    def caught_up(self) -> None:
        """All that had arrived was read, and little of it is not acknowledged."""
        self._overlap.caught_up(time.monotonic())

    def look(self) -> None:
        """Leave the old filters when they are drained."""
        if not self.draining or not self.settled:
            return
        now = time.monotonic()
        if self._overlap.asks(now):
            self._client.unsubscribe([_BARRIER])
        # what is refused is not heard by the new filters: the old ones stay
        if self._overlap.over(now) and not self._refused.keys() & self.wanted:
            _log.info("leaving the filters that were replaced", filters=sorted(self._draining))
            self._draining = frozenset()
            self._ask()

    def _ask(self) -> None:
        """Leave what is neither wanted nor drained, and ask for what is not there yet."""
        under_way = set(self._asked.values()) | set(self._leaving.values())
        for filter_ in sorted(self._granted - self.wanted - self._draining - under_way):
            _, packet_id = self._client.unsubscribe([filter_])
            if packet_id is not None:
                self._leaving[packet_id] = filter_
        missing = self.wanted - self._granted - self._refused.keys() - under_way
        for filter_ in sorted(missing):
            _, packet_id = self._client.subscribe(filter_, 1)
            if packet_id is not None:
                self._asked[packet_id] = filter_

    def _refuse(self, filter_: str, why: str) -> None:
        self._refused = {**self._refused, filter_: why}
        _log.error(
            "a filter is refused; the others go on",
            filter=filter_,
            broker=self._broker,
            reason=why,
        )


def _why(filter_: str, name: str) -> str:
    """Say why it is refused; ``name``: of the broker's code, of which MQTT 3.1.1 has but one."""
    if any(map(str.isspace, filter_)):
        return _SPACE
    if name == "Unspecified error":
        return _REFUSED
    return f"the broker refuses the subscription ({name}); give tonne's user the right to it"
