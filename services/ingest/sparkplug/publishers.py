"""What a device of a facility file is at the topics at which Sparkplug B is handed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.ingest.decode import sparkplug
from services.ingest.decode.observation import Decoder
from services.ingest.sparkplug.topics import Address, Verb, handed_topic, status_topic


def decoders(
    part: Mapping[str, Any], channels: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Decoder]]:
    """Yield the topics that bring readings of a device, each with its decoder.

    ``part``: the device's ``sparkplug``.
    """
    device = part.get("device") or ""
    birth, death, data = (
        (Verb.DBIRTH, Verb.DDEATH, Verb.DDATA) if device else (Verb.NBIRTH, None, Verb.NDATA)
    )
    yield _topic(part, data), sparkplug.decoder(part, channels)
    yield _topic(part, birth), sparkplug.birth_decoder(channels)
    ended = sparkplug.death_decoder(channels)
    if death is not None:
        yield _topic(part, death), ended
    # the death of an edge node is that of its devices
    yield _topic(part, Verb.NDEATH), ended


def data_topic(part: Mapping[str, Any]) -> str:
    """Return the topic at which data of a device is handed over."""
    return _topic(part, Verb.DDATA if part.get("device") else Verb.NDATA)


def status_topics(part: Mapping[str, Any]) -> frozenset[str]:
    """Return the topics that say whether a device is online."""
    group, edge_node, device = part["group"], part["edge_node"], part.get("device") or ""
    return frozenset({status_topic(group, edge_node, device), dead_node_topic(group, edge_node)})


def dead_node_topic(group: str, edge_node: str) -> str:
    """Return the topic that says that an edge node is offline, and all its devices with it."""
    return status_topic(group, edge_node, "/")


def _topic(part: Mapping[str, Any], verb: Verb) -> str:
    device = (part.get("device") or "") if verb.is_device else ""
    return handed_topic(
        Address(group=part["group"], verb=verb, edge_node=part["edge_node"], device=device)
    )
