"""What is learned of a device from message to message: each number's course, and its announcement.

Bounded, and written as JSON between two messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from services.core.facility.discovery.arrivals import Arrivals
from services.core.facility.discovery.families import FLEET
from services.core.facility.discovery.home_assistant import Announced
from services.core.facility.discovery.payloads import TimePlace
from services.core.facility.discovery.recognised import Fit, Recognised

#: Numbers that are followed of one device.
MAX_SERIES: Final = 80
_MAX_TOPICS: Final = 40

Key = tuple[str, str]
"""Topic, and path in its payload."""


@dataclass(kw_only=True, slots=True)
class Series(Arrivals):
    """A number at one place, as it went on; times in seconds since the epoch."""

    topic: str
    #: JMESPath, or the name of a record or channel where the format has one
    path: str
    first: float | None = None
    last: float | None = None
    rises: int = 0
    falls: int = 0
    #: of the falls, those to less than half: a register that begins again
    restarts: int = 0
    #: as the device announces it, or the payload says; empty: it does not
    name: str = ""
    unit: str | None = None
    device_class: str | None = None
    state_class: str | None = None

    def take(self, value: float, arrived_s: float) -> None:
        """Take the next value."""
        if self.last is None:
            self.first, self.first_s = value, arrived_s
        elif value > self.last:
            self.rises += 1
        elif value < self.last:
            self.falls += 1
            self.restarts += value < self.last / 2
        self.count += 1
        self.last, self.last_s = value, arrived_s


@dataclass(kw_only=True, slots=True)
class Learned:
    """All that is known of a device that nobody registered."""

    series: dict[Key, Series] = field(default_factory=dict)
    #: by topic
    times: dict[str, TimePlace] = field(default_factory=dict)
    #: as which family; None: as none
    recognised: Recognised | None = None

    @property
    def topics(self) -> frozenset[str]:
        """Return the topics at which it is heard, or is announced to be."""
        known = self.recognised
        # a topic that registered devices share is heard by ingest
        read = () if known is None or known.family == FLEET else known.channels.values()
        return frozenset([*(topic for topic, _ in self.series), *(one.topic for one in read)])

    def take(
        self,
        topic: str,
        numbers: Mapping[str, float],
        arrived_s: float,
        *,
        time: TimePlace | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        """Take the numbers of a message, each by its place."""
        for path, value in numbers.items():
            series = self._series(topic, path)
            if series is not None:
                series.take(value, arrived_s)
                series.unit = (units or {}).get(path, series.unit)
        if time is not None and (topic in self.times or len(self.times) < _MAX_TOPICS):
            self.times[topic] = time

    def fit(self, topic: str, fit: Fit, arrived_s: float) -> None:
        """Take what a message is as one of a family; a closer family takes another one's place."""
        known = self.recognised
        same = known is not None and (known.family, known.device) == (
            fit.recognised.family,
            fit.recognised.device,
        )
        if known is None or (not same and len(fit.values) > len(known.channels)):
            known = self.recognised = replace(fit.recognised, channels={})
        elif not same:
            return
        known.take(topic, fit.values, arrived_s)

    def announce(self, sensor: Announced) -> None:
        """Take what a device announces of a number, whether that was heard or not."""
        series = self._series(sensor.topic, sensor.path)
        if series is not None:
            series.name, series.unit = sensor.name, sensor.unit
            series.device_class, series.state_class = sensor.device_class, sensor.state_class

    def _series(self, topic: str, path: str) -> Series | None:
        series = self.series.get((topic, path))
        if series is None and len(self.series) < MAX_SERIES:
            series = self.series[topic, path] = Series(topic=topic, path=path)
        return series

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it; what is not known is left out."""
        series = [
            {name: value for name, value in asdict(one).items() if value not in (None, "")}
            for one in self.series.values()
        ]
        known = {} if self.recognised is None else {"recognised": self.recognised.as_json()}
        times = {topic: asdict(place) for topic, place in self.times.items()}
        return {"series": series, "times": times, **known}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Learned:
        """Read what :meth:`as_json` wrote."""
        series = [Series(**one) for one in document.get("series", ())]
        times = document.get("times", {})
        return cls(
            series={(one.topic, one.path): one for one in series},
            times={topic: TimePlace(**place) for topic, place in times.items()},
            recognised=Recognised.from_json(document["recognised"])
            if "recognised" in document
            else None,
        )
