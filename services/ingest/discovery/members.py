"""Ids that a gateway names and no device is known as: devices as others of the same topic are.

What they sent lies in quarantine. Of the devices that share the topic the one whose mapping reads
most of the message is what the unknown one is proposed as.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from services.core.facility import fleets
from services.core.facility.discovery.families import FLEET, Place
from services.core.facility.discovery.observing import Observed
from services.core.facility.discovery.recognised import KNOWN_AS, Fit, Recognised
from services.core.facility.model import own_topic
from services.core.store.candidates.notes import RefusedMessage
from services.core.store.registry import read
from services.ingest.discovery.recogniser import BOUNDS
from services.ingest.prepare import prepare
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message

#: Of a channel, what a proposal shows.
_SHOWN: Final = ("from", "direction", "scale")
#: Devices that are compared; those that are mapped alike count once.
_MAX_ALIKE: Final = 5


def member(devices: read.Devices, refused: RefusedMessage, known_as: str) -> Observed | None:
    """Return what a message says of an unknown id; None: no device of its topic reads it."""
    message = Message(
        topic=refused.topic, payload=refused.payload, received_at=refused.received_at, token=None
    )
    best: tuple[read.Device, dict[str, float | None]] | None = None
    for sibling in _siblings(devices, refused):
        renamed = replace(sibling, spec={**sibling.spec, "known_as": [known_as]})
        alone = replace(
            devices, by_name={(sibling.facility, sibling.slug): renamed}, ignored_ids=()
        )
        prepared = prepare([message], Directory(alone), BOUNDS, ids=frozenset([known_as]))
        values = {row.channel: row.value for row in prepared.rows}
        if values and (best is None or len(values) > len(best[1])):
            best = sibling, values
    if best is None:
        return None
    sibling, values = best
    recognised = Recognised(
        family=FLEET,
        device=sibling.slug,
        names={KNOWN_AS: known_as},
        reason=f"{len(values)} of {len(sibling.channels)} values as {sibling.slug} of"
        f" {sibling.facility}, which shares its topic",
        closeness=0,
        shares_topic=True,
        stated={name: _stated(channel) for name, channel in sibling.channels.items()},
    )
    key = f"{FLEET}:{refused.facility}/{known_as}"
    place = Place(key=key, family=FLEET, label=known_as[:100])
    fit = Fit(recognised=recognised, key=key, label=place.label, values=values)
    return Observed(place=place, fit=fit)


def _siblings(devices: read.Devices, refused: RefusedMessage) -> Iterator[read.Device]:
    """Return devices that share the topic of a message, one of those that are mapped alike."""
    mappings: set[str] = set()
    for (facility, _), device in devices.by_name.items():
        if facility != refused.facility or not device.known_as or len(mappings) >= _MAX_ALIKE:
            continue
        topics = {
            own_topic(device.topic, channel.spec.get("topic"))
            for channel in device.channels.values()
        }
        mapping = repr([(name, channel.spec) for name, channel in device.channels.items()])
        if mapping not in mappings and any(
            topic is not None and fleets.covers(topic, refused.topic) for topic in topics
        ):
            mappings.add(mapping)
            yield device


def _stated(channel: read.Channel) -> dict[str, Any]:
    shown = {key: channel.spec[key] for key in _SHOWN if key in channel.spec}
    return {
        "id": channel.slug,
        "quantity": channel.quantity,
        "unit": channel.unit,
        "kind": channel.kind,
        **shown,
    }
