"""MQTT topics as NATS writes them: filters -> subjects of its streams, and back. Pure.

NATS keeps each MQTT message of quality 1 or 2 in the stream ``$MQTT_msgs``, under the subject
``$MQTT.msgs.`` and the topic with ``.`` for ``/``. What a subject cannot hold is written otherwise:
an empty level as ``/``, a dot as ``//`` (nats-server, ``mqttToNATSSubjectConversion``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MESSAGES: Final = "$MQTT.msgs."
RETAINED: Final = "$MQTT.rmsgs."

#: NATS refuses topics that hold one of these, so no message has any.
_IMPOSSIBLE: Final = frozenset(" \t\n\r\f\x7f")

#: What NATS would take for its own wildcards; to MQTT they are plain text.
_MISTAKEN: Final = frozenset({"*", ">"})


def subjects(filters: Iterable[str]) -> frozenset[str]:
    """Return the subjects, without prefix, that match what the topic filters match."""
    subjects: set[str] = set()
    for filter_ in filters:
        if not _why_not(filter_):
            subjects.add(_subject(filter_))
            if filter_.endswith("/#"):
                # MQTT's # matches its parent too, NATS' > does not
                subjects.add(_subject(filter_[:-2]))
    return frozenset(subjects)


def refused(filters: Iterable[str]) -> dict[str, str]:
    """Return the filters whose topics NATS cannot carry, with the reason."""
    return {filter_: why for filter_ in filters if (why := _why_not(filter_))}


def _why_not(filter_: str) -> str:
    if not _IMPOSSIBLE.isdisjoint(filter_):
        return "NATS carries no topic with a space; let the device publish at another"
    if not _MISTAKEN.isdisjoint(filter_.split("/")):
        return "NATS takes a level that is * or > for a wildcard; let the device publish at another"
    return ""


def _subject(filter_: str) -> str:
    levels = filter_.split("/")
    tokens = [_TOKENS.get(level) or level.replace(".", "//") for level in levels]
    return ".".join(tokens)


_TOKENS: Final = {"": "/", "+": "*", "#": ">"}


def topic(subject: str) -> str:
    """Return the topic of a subject without prefix."""
    if "/" not in subject:
        return subject.replace(".", "/")
    tokens = subject.split(".")
    return "/".join("" if token == "/" else token.replace("//", ".") for token in tokens)  # noqa: S105
