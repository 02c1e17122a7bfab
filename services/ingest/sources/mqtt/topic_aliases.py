"""The numbers that stand for topics on one connection; MQTT 5, section 3.3.2.3.4."""

from __future__ import annotations

from typing import Final

#: As many as a broker may use: each costs a topic's bytes here.
MAX_ALIASES: Final = 1000

#: Brokers send no number that they have not explained; the message is still somebody's and gets its
#: entry.
_UNKNOWN: Final = b"emissions/(unknown topic alias)"


class TopicAliases:
    """What each number stands for, as the broker said last."""

    def __init__(self) -> None:
        self._topics: dict[int, bytes] = {}

    def topic(self, alias: int, sent: bytes) -> bytes:
        """Return the topic of a message with an alias; ``sent``: empty, or the topic it now has."""
        if not sent:
            return self._topics.get(alias, _UNKNOWN)
        if alias <= MAX_ALIASES:
            self._topics[alias] = sent
        return sent
