"""What stands beside a payload and can be named where a path into it can.

- ``topic.N``: a level of the message's topic, counted from 0.
- ``property.NAME``: a user property of MQTT 5; several of one name are a list.
- ``content_type``, ``response_topic``: texts that MQTT 5 has beside a payload.
- ``message_expiry``: for how many more seconds the message is worth delivering.

A payload's own key of such a name is written in quotes: ``"property".NAME``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

_LEVEL: Final = re.compile(r"topic\.(\d{1,3})\Z")

#: Before the name of a user property.
PROPERTY: Final = "property."
CONTENT_TYPE: Final = "content_type"
RESPONSE_TOPIC: Final = "response_topic"
MESSAGE_EXPIRY: Final = "message_expiry"
_KEYS: Final = (CONTENT_TYPE, RESPONSE_TOPIC, MESSAGE_EXPIRY)

Value: TypeAlias = str | int | list[str]
#: What MQTT 5 says of a message (section 3.3.2.3), by the names above.
Properties = Mapping[str, Value]

_NONE: Final[Properties] = {}


class Beside:
    """What stands beside the payload of the message in hand."""

    __slots__ = ("is_read", "levels", "properties")

    def __init__(self) -> None:
        self.levels: list[str] = []
        self.properties = _NONE
        #: whether anything of it was named, so that :meth:`take` is worth its cost
        self.is_read = False

    def take(self, topic: str, properties: Properties | None) -> None:
        """Begin another message."""
        self.levels = topic.split("/")
        self.properties = properties or _NONE


#: What is named of what stands beside a payload; None: it is not there.
Named = Callable[[Beside], Any]


def named(expression: str) -> Named | None:
    """Return what an expression names beside the payload; None: it is a path into the payload."""
    level = level_of(expression)
    if level is not None:
        return lambda beside: beside.levels[level] if level < len(beside.levels) else None
    if is_of_mqtt_5(expression):
        return lambda beside: beside.properties.get(expression)
    return None


def level_of(expression: str) -> int | None:
    """Return the level of the topic that an expression names; None: it names none."""
    level = _LEVEL.match(expression)
    return None if level is None else int(level[1])


def is_of_mqtt_5(expression: str) -> bool:
    """Whether an expression names what only MQTT 5 has beside a payload."""
    return expression in _KEYS or (
        expression.startswith(PROPERTY) and len(expression) > len(PROPERTY)
    )


def add_user_property(properties: dict[str, Value], name: str, value: str) -> None:
    """Add a user property, by the name that a mapping has for it, to those before it."""
    before = properties.get(name)
    if isinstance(before, list):
        before.append(value)
    else:
        properties[name] = value if before is None else [str(before), value]


def stated(properties: Mapping[str, str | list[str]]) -> Properties:
    """Return what somebody states that a message has beside its payload.

    :raises ValueError: a message has no such thing, or it is no such value.
    """
    checked: dict[str, Value] = {}
    for name, value in properties.items():
        if not is_of_mqtt_5(name):
            raise ValueError(
                f"{name[:60]!r} does not stand beside a payload: it is {', '.join(_KEYS)}, or a"
                f" user property such as {PROPERTY}unit"
            )
        if isinstance(value, list) and not name.startswith(PROPERTY):
            raise ValueError(f"{name} comes once in a message: state one")
        if name == MESSAGE_EXPIRY:
            if not (isinstance(value, str) and re.fullmatch(r"\d{1,10}", value)):
                raise ValueError(f"{name} is a number of seconds, such as 3600")
            checked[name] = int(value)
        else:
            checked[name] = value
    return checked
