"""What Home Assistant documents of MQTT discovery, and how it reads states: a small stand-in.

Sources: home-assistant.io, "MQTT: Device discovery payload", "MQTT Sensor", "Sensor: device class",
and developers.home-assistant.io, "Sensor entity: state classes".
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from paho.mqtt.enums import CallbackAPIVersion

from services.cli.device_accounts import Account
from services.core.runtime.mqtt_client import MqttClient

#: Of the device classes that can be told of emissions: units, and state classes, that go with them.
_CLASSES: dict[str, tuple[set[str | None], set[str | None]]] = {
    "weight": ({"kg", "g", "mg", "µg", "oz", "lb", "st"}, {"measurement", None}),
    "timestamp": ({None}, {None}),
}
_ROOT = {"device", "origin", "components", "state_topic", "qos", "encoding", "availability"}
_DEVICE = {
    "identifiers", "connections", "name", "manufacturer", "model", "model_id", "hw_version",
    "sw_version", "serial_number", "suggested_area", "via_device", "configuration_url",
}  # fmt: skip
_SENSOR = {
    "platform", "name", "unique_id", "device_class", "state_class", "unit_of_measurement",
    "value_template", "last_reset_value_template", "expire_after", "entity_category", "icon",
    "suggested_display_precision", "state_topic", "qos", "enabled_by_default",
}  # fmt: skip

_TEMPLATES = ImmutableSandboxedEnvironment(undefined=StrictUndefined)


class InvalidDiscoveryError(AssertionError):
    """Home Assistant would refuse the message."""


def _check(holds: bool, why: str) -> None:
    if not holds:
        raise InvalidDiscoveryError(why)


def check_discovery(topic: str, message: dict[str, Any], *, prefix: str) -> None:
    """Check what is documented of a device's discovery message and its sensors."""
    pattern = rf"{re.escape(prefix)}/device/[a-zA-Z0-9_-]+/config"
    _check(re.fullmatch(pattern, topic) is not None, f"{topic} is no discovery topic")
    _check(set(message) <= _ROOT, f"unknown keys {set(message) - _ROOT}")
    for key in ("device", "origin", "components"):
        _check(key in message, f"{key} is required")
    device, origin = message["device"], message["origin"]
    _check(set(device) <= _DEVICE, f"unknown keys of the device {set(device) - _DEVICE}")
    _check(bool(device.get("identifiers") or device.get("connections")), "no identifier")
    _check(bool(origin.get("name")), "origin has no name")
    _check(set(origin) <= {"name", "sw_version", "support_url"}, "unknown keys of the origin")
    if "configuration_url" in device:
        scheme = urlsplit(device["configuration_url"]).scheme
        _check(scheme in {"http", "https", "homeassistant"}, "no address of a page")
    _check(message.get("qos", 0) in {0, 1, 2}, "no QoS")
    _check(not set("+#") & set(message.get("state_topic", "")), "the topic has a wildcard")
    ids = [c["unique_id"] for c in message["components"].values() if "unique_id" in c]
    _check(len(ids) == len(set(ids)), "a unique_id is not unique")
    for component in message["components"].values():
        _check_sensor(component, has_topic="state_topic" in message)


def _check_sensor(sensor: dict[str, Any], *, has_topic: bool) -> None:
    _check(sensor.get("platform") == "sensor", "a component needs its platform")
    if set(sensor) == {"platform"}:
        # removes the component
        return
    _check(set(sensor) <= _SENSOR, f"unknown keys of a sensor {set(sensor) - _SENSOR}")
    _check("unique_id" in sensor, "a component of a device needs a unique_id")
    _check(has_topic or "state_topic" in sensor, "no state topic")
    device_class, state_class = sensor.get("device_class"), sensor.get("state_class")
    unit = sensor.get("unit_of_measurement")
    _check(
        state_class in {None, "measurement", "measurement_angle", "total", "total_increasing"},
        f"unknown state class {state_class}",
    )
    if device_class is not None:
        _check(device_class in _CLASSES, f"unknown device class {device_class}")
        units, state_classes = _CLASSES[device_class]
        _check(unit in units, f"{device_class} is not in {unit}")
        _check(state_class in state_classes, f"{device_class} is no {state_class}")
    if "last_reset_value_template" in sensor:
        _check(state_class == "total", "only a total is reset")
    expires = sensor.get("expire_after", 0)
    _check(isinstance(expires, int) and expires >= 0, "expire_after is a whole number of seconds")
    _check(sensor.get("entity_category") in {None, "diagnostic"}, "no category of a sensor")
    for key in ("value_template", "last_reset_value_template"):
        _TEMPLATES.parse(sensor.get(key, ""))


def render(template: str, payload: bytes) -> str:
    """Render a template over a message, as Home Assistant does; what is missing is an error."""
    text = payload.decode()
    return _TEMPLATES.from_string(template).render(value=text, value_json=json.loads(text))


def state_of(sensor: dict[str, Any], payload: bytes) -> float | datetime | None:
    """Return a sensor's state; None: it is unknown."""
    text = render(sensor["value_template"], payload)
    if text == "None":
        return None
    if sensor.get("device_class") == "timestamp":
        instant = datetime.fromisoformat(text)
        assert instant.tzinfo is not None
        return instant
    return float(text)


class HomeAssistant:
    """A client that subscribes as Home Assistant does, and keeps what is retained and told."""

    def __init__(self, port: int, account: Account, *, prefix: str = "homeassistant") -> None:
        self._topics = [f"{prefix}/device/+/config", "emissions/+/totals"]
        #: newest payload by topic; what was retracted is empty
        self.heard: dict[str, bytes] = {}
        #: topics in the order in which they were told
        self.told: list[str] = []
        self._client = MqttClient(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: [client.subscribe(t, 1) for t in self._topics]
        self._client.username_pw_set(account.user, account.password)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard[message.topic] = bytes(message.payload)
        self.told.append(message.topic)

    def message(self, topic: str) -> dict[str, Any] | None:
        """The newest message at a topic; None: none, or it was retracted."""
        payload = self.heard.get(topic)
        return json.loads(payload) if payload else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.release()
