"""Announcements of Home Assistant's MQTT discovery: which topic has which sensor, in which unit.

One message announces an entity (``homeassistant/sensor/.../config``) or a device with all of its
entities (``homeassistant/device/.../config``); keys may be abbreviated, and ``~`` stands for a base
topic (Home Assistant, "MQTT", "Discovery payload").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.core.facility.discovery.families import ANNOUNCEMENTS, HOME_ASSISTANT, Place
from services.core.facility.discovery.payloads import jmespath

#: Abbreviation -> key, of those that matter here.
_KEYS: Final = {
    "stat_t": "state_topic", "val_tpl": "value_template", "unit_of_meas": "unit_of_measurement",
    "dev_cla": "device_class", "stat_cla": "state_class", "dev": "device", "ids": "identifiers",
    "cmps": "components", "p": "platform", "uniq_id": "unique_id",
}  # fmt: skip
_MAX_ENTITIES: Final = 60

_STEP: Final = r"""(?:\.[A-Za-z_]\w*|\[\s*'[^'\]]*'\s*\]|\[\s*"[^"\]]*"\s*\]|\[\s*\d+\s*\])"""
#: ``{{ value_json.a['b'] | float(0) }}``: a place, and filters that leave a number what it is.
_PLACE: Final = re.compile(
    rf"\{{\{{-?\s*value_json(?P<steps>{_STEP}+)\s*"
    r"(?:\|\s*(?:float|int|default|round)\b(?:\([^()]*\))?\s*)*-?\}\}\Z"
)
_WHOLE: Final = re.compile(r"\{\{-?\s*value\s*(?:\|\s*(?:float|int)\b(?:\([^()]*\))?\s*)*-?\}\}\Z")
_ONE: Final = re.compile(_STEP)


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """A sensor that is announced."""

    topic: str
    #: JMESPath; ``@``: the payload is the value
    path: str
    name: str
    unit: str | None
    device_class: str | None
    state_class: str | None


def device(topic: str, document: Any) -> Place | None:
    """Return the device that a message at a topic of discovery announces; None: there is none."""
    if not (topic.startswith(ANNOUNCEMENTS) and isinstance(document, dict)):
        return None
    about = _spelled(_spelled(document).get("device"))
    identifiers = about.get("identifiers")
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    name = about.get("name")
    if not isinstance(first, str) or not first:
        # an entity without a device is one by itself
        first = topic.removeprefix(ANNOUNCEMENTS).removesuffix("/config")
    label = name if isinstance(name, str) and name else first
    return Place(key=f"{HOME_ASSISTANT}:{first[:200]}", family=HOME_ASSISTANT, label=label[:100])


def sensors(topic: str, document: Any) -> list[Announced]:
    """Return the numeric sensors that a message announces; those in other topics and ways not."""
    if not isinstance(document, dict):
        return []
    config = _spelled(document)
    platform = topic.removeprefix(ANNOUNCEMENTS).partition("/")[0]
    if platform == "sensor":
        parts: list[dict[str, Any]] = [config]
    elif platform == "device" and isinstance(config.get("components"), dict):
        shared: dict[str, Any] = {key: config[key] for key in ("state_topic", "~") if key in config}
        components = list(config["components"].values())[:_MAX_ENTITIES]
        parts = [
            {**shared, **part}
            for part in map(_spelled, components)
            if part.get("platform") == "sensor"
        ]
    else:
        return []
    return [sensor for part in parts for sensor in _sensor(part)]


def _sensor(config: Mapping[str, Any]) -> Iterator[Announced]:
    topic, base = config.get("state_topic"), config.get("~")
    if not isinstance(topic, str):
        return
    if isinstance(base, str):
        topic = f"{base}{topic[1:]}" if topic.startswith("~") else topic
        topic = f"{topic[:-1]}{base}" if topic.endswith("~") else topic
    path = _path(config.get("value_template"))
    unit = _text(config.get("unit_of_measurement"))
    # what has neither is text
    if path is None or (unit is None and _text(config.get("state_class")) is None):
        return
    yield Announced(
        topic=topic,
        path=path,
        name=_text(config.get("name")) or "",
        unit=unit,
        device_class=_text(config.get("device_class")),
        state_class=_text(config.get("state_class")),
    )


def _path(template: Any) -> str | None:
    """Return the JMESPath that a template stands for; None: it computes something."""
    if template is None:
        return "@"
    if not isinstance(template, str):
        return None
    text = template.strip()
    if _WHOLE.match(text):
        return "@"
    match = _PLACE.match(text)
    if match is None:
        return None
    steps: list[str | int] = []
    for step in _ONE.findall(match["steps"]):
        inner = step[1:].rstrip("]").strip() if step.startswith("[") else step[1:]
        steps.append(int(inner) if inner.isdigit() else inner.strip("'\""))
    return jmespath(steps)


def _spelled(config: Any) -> dict[str, Any]:
    if not isinstance(config, dict):
        return {}
    return {_KEYS.get(str(key), str(key)): value for key, value in config.items()}


def _text(value: Any) -> str | None:
    return value[:100] if isinstance(value, str) and value else None
