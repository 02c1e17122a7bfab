"""Births of Sparkplug B as what discovery learns: a device, and the numbers that it has. Pure."""

from __future__ import annotations

from services.core.facility.discovery import families
from services.core.facility.discovery.families import Place
from services.core.facility.discovery.observing import Observed
from services.ingest.decode.observation import UndecodableError
from services.ingest.decode.sparkplug_payload import read
from services.ingest.sparkplug.proposals import proposals
from services.ingest.sparkplug.topics import Address, Verb


def observe_birth(address: Address, payload: bytes) -> Observed | None:
    """Return what a message at an edge node's topic says; None: it is no birth with numbers."""
    if address.verb not in {Verb.NBIRTH, Verb.DBIRTH}:
        return None
    try:
        proposed = proposals(read(payload))
    except UndecodableError:
        return None
    numbers = {one.name: one.sample for one in proposed if one.sample is not None}
    if not numbers:
        return None
    path = [address.group, address.edge_node, *([address.device] if address.device else [])]
    place = Place(
        key=f"{families.SPARKPLUG}:{'/'.join(path)}", family=families.SPARKPLUG, label=path[-1]
    )
    units = {one.name: one.unit for one in proposed if one.unit is not None}
    return Observed(place=place, numbers=numbers, units=units)
