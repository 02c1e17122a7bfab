"""As which family a device was recognised, why, and what was read of it by that family's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from services.core.facility.discovery.arrivals import Arrivals

#: As a name: the id by which a gateway's messages name a device.
KNOWN_AS: Final = "known_as"


@dataclass(kw_only=True, slots=True)
class ReadChannel(Arrivals):
    """A channel of a family's file that messages have; times in seconds since the epoch."""

    topic: str
    #: in the channel's unit; None: no value was sent
    last: float | None = None


@dataclass(kw_only=True, slots=True)
class Recognised:
    """A device that messages fit, with the names that they have: of a family's file, or registered.

    Where ids of a topic that registered devices share are unknown, ``device`` is one of these.
    """

    family: str
    #: id of the device in the family's file
    device: str
    #: what stands in the messages, by the names of the file
    names: Mapping[str, str]
    #: why it is this family, in words
    reason: str
    #: how much of a topic is the family's own: the more, the closer
    closeness: int
    #: whether ids in the messages tell it from others at the same topic
    shares_topic: bool = False
    #: the channels of a device that is none of a family's file, as its own file states them
    stated: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    channels: dict[str, ReadChannel] = field(default_factory=dict)

    def take(self, topic: str, values: Mapping[str, float | None], arrived_s: float) -> None:
        """Take what a message has of its channels."""
        for channel, value in values.items():
            read = self.channels.setdefault(channel, ReadChannel(topic=topic, first_s=arrived_s))
            read.count += 1
            read.last, read.last_s = value, arrived_s

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "names": dict(self.names)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return what :meth:`as_json` wrote."""
        channels = {name: ReadChannel(**part) for name, part in document["channels"].items()}
        return cls(**{**document, "channels": channels})


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A device that a message fits."""

    recognised: Recognised
    #: what tells devices of the family apart
    key: str
    label: str
    #: in the channels' units, as they came
    values: Mapping[str, float | None]
    #: what the family's file leaves out, by its place
    others: Mapping[str, float] = field(default_factory=dict)
