"""Which device a topic is of, by the makers' ways of naming topics; else, by the topic itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from services.core.facility.topics import beyond_nats, uncarried

SHELLY_2: Final = "shelly-gen2"
SHELLY_1: Final = "shelly-gen1"
TASMOTA: Final = "tasmota"
ZIGBEE2MQTT: Final = "zigbee2mqtt"
ESPHOME: Final = "esphome"
HOME_ASSISTANT: Final = "home-assistant"
SENML: Final = "senml"
SPARKPLUG: Final = "sparkplug"
NATIVE: Final = "native"
#: One of many devices at a topic where others are registered.
FLEET: Final = "fleet"
OTHER: Final = "other"

#: Where Home Assistant looks for announcements, unless it was told another prefix.
ANNOUNCEMENTS: Final = "homeassistant/"
SHELLY_ANNOUNCES: Final = "shellies/announce"

_LONGEST_TOPIC: Final = 256

_SHELLY_2: Final = re.compile(r"(?P<device>[^/].*)/(?:events/rpc|status/[a-z0-9]+:\d+)\Z")
_SHELLY_1: Final = re.compile(r"shellies/(?P<device>[^/]+)/.+\Z")
_TASMOTA: Final = re.compile(
    r"(?:.+/)?tele/(?P<device>[^/]+)/SENSOR\Z|(?P<first>[^/]+)/tele/SENSOR\Z"
    r"|(?:.+/)?stat/(?P<asked>[^/]+)/STATUS(?:8|10)\Z"
)
_TASMOTA_ANNOUNCES: Final = re.compile(r"tasmota/discovery/[0-9A-Fa-f]+/config\Z")
_ZIGBEE2MQTT: Final = re.compile(r"zigbee2mqtt/(?P<device>.+)\Z")
_ESPHOME: Final = re.compile(r"(?P<device>[^/].*)/sensor/[^/]+/state\Z")

#: Commands, states of connections and what other parts of tonne listen to.
_NO_READINGS: Final = re.compile(
    r"\$.*|emissions(?:/.*)?|spBv1\.0/.*|zigbee2mqtt/bridge(?:/.*)?"
    r"|(?:.*/)?(?:cmnd/.*|set|get|command|availability|LWT|rpc|debug)"
    r"|(?:.*/)?tele/(?:.*/)?(?:STATE|INFO\d|UPTIME|RESULT)|tasmota/discovery/.*|shellies/command"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Whose messages come at a topic."""

    #: what tells devices apart
    key: str
    family: str
    #: as people call it
    label: str


def is_announcement(topic: str) -> bool:
    """Whether devices are announced at a topic."""
    if topic.startswith(ANNOUNCEMENTS):
        return topic.endswith("/config")
    return topic == SHELLY_ANNOUNCES or _TASMOTA_ANNOUNCES.match(topic) is not None


def may_be_subscribed(topic: str) -> bool:
    """Whether a facility file could state a topic."""
    return not (len(topic.encode()) > _LONGEST_TOPIC or uncarried(topic) or beyond_nats(topic))


def may_have_readings(topic: str) -> bool:
    """Whether a topic can be one of a device that nobody knows; by its name alone."""
    if not may_be_subscribed(topic):
        return False
    # Shelly's notifications end as its commands do
    return topic.endswith("/events/rpc") or _NO_READINGS.fullmatch(topic) is None


def place(topic: str, document: Any) -> Place:
    """Return whose a message is."""
    documented = _by_topic(topic, is_object=isinstance(document, dict))
    if documented is not None:
        family, device, label = documented
        if family == SHELLY_2:
            label = document.get("src")
        return _place(family, device, label)
    if is_senml(document):
        return _place(SENML, topic, topic)
    if not isinstance(document, dict | list):
        # plain numbers of one device lie side by side
        topic = topic.rpartition("/")[0] or topic
    return _place(OTHER, topic, topic)


def _by_topic(topic: str, *, is_object: bool) -> tuple[str, str, str] | None:
    """Return family, device and label that a topic tells, as makers name them; None: it does not.

    ``is_object``: the payload is a JSON object.
    """
    if is_object and (match := _SHELLY_2.match(topic)):
        return SHELLY_2, match["device"], match["device"]
    if is_object and (match := _TASMOTA.match(topic)):
        device = match["device"] or match["first"] or match["asked"]
        return TASMOTA, device, device
    if is_object and (match := _ZIGBEE2MQTT.match(topic)):
        return ZIGBEE2MQTT, topic, match["device"]
    if match := _SHELLY_1.match(topic):
        return SHELLY_1, f"shellies/{match['device']}", match["device"]
    if match := _ESPHOME.match(topic):
        return ESPHOME, match["device"], match["device"]
    return None


def announced_place(topic: str, document: Any) -> Place | None:
    """Return the device that a maker's own announcement is of; None: it announces none."""
    if not isinstance(document, dict):
        return None
    if topic == SHELLY_ANNOUNCES:
        device = document.get("id")
        if not isinstance(device, str) or not device or "/" in device:
            return None
        model = document.get("model")
        label = f"{device} ({model})" if isinstance(model, str) else device
        return _place(SHELLY_1, f"shellies/{device}", label)
    if _TASMOTA_ANNOUNCES.match(topic):
        device, name = document.get("t"), document.get("dn")
        if isinstance(device, str) and device:
            return _place(TASMOTA, device, name if isinstance(name, str) and name else device)
    return None


def is_senml(document: Any) -> bool:
    """Whether a document is a pack of SenML records."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(record, dict) for record in document)
        and any("n" in record or "bn" in record for record in document)
        and all("v" in r or "s" in r or "vs" in r or "vb" in r or "bn" in r for r in document)
    )


def _place(family: str, device: str, label: Any) -> Place:
    label = label if isinstance(label, str) and label else device
    return Place(key=f"{family}:{device}", family=family, label=label[:100])
