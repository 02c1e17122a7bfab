"""What arrives of an edge node, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ingest.sparkplug.births import Birth
from services.ingest.sparkplug.topics import Address


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A message of an edge node."""

    address: Address
    payload: bytes
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Forward:
    """Readings for ingest's other steps, every metric by its name as far as that is certain."""

    address: Address
    payload: bytes
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Stale:
    """Nothing of the edge node, or of one of its devices, is known from an instant on."""

    group: str
    edge_node: str
    #: empty: the edge node with all its devices
    device: str
    instant: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Online:
    """The edge node, or one of its devices, has spoken a birth."""

    group: str
    edge_node: str
    device: str
    instant: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Born:
    """A birth to remember."""

    group: str
    edge_node: str
    device: str
    birth: Birth
    instant: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AskRebirth:
    """The edge node is to publish its births again."""

    group: str
    edge_node: str


Effect = Forward | Stale | Online | Born | AskRebirth
