"""One message of nobody's device: whose it could be, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.core.facility.discovery import families, home_assistant, makers, packs
from services.core.facility.discovery.families import Place
from services.core.facility.discovery.home_assistant import Announced
from services.core.facility.discovery.payloads import TimePlace, look
from services.core.facility.discovery.recognised import Fit


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """What a message says."""

    place: Place
    numbers: Mapping[str, float] = field(default_factory=dict)
    time: TimePlace | None = None
    #: by the place of the number
    units: Mapping[str, str] = field(default_factory=dict)
    #: what it announces instead of telling it
    sensors: tuple[Announced, ...] = ()
    #: the family's device that it fits
    fit: Fit | None = None

    @property
    def has_values(self) -> bool:
        """Whether the message has values that could count."""
        return bool(self.numbers) or self.fit is not None

    @property
    def shares_topic(self) -> bool:
        """Whether messages at its topic are of other devices, too."""
        return self.fit is not None and self.fit.recognised.shares_topic


def observe(topic: str, payload: bytes, arrived_s: float) -> Observed | None:
    """Return what a message at somebody's own topic says; None: nothing that could count."""
    if families.is_announcement(topic):
        return _announcement(topic, payload, arrived_s)
    if not families.may_have_readings(topic):
        return None
    looked = look(payload, arrived_s)
    if not looked.numbers:
        return None
    place = families.place(topic, looked.document)
    if place.family == families.SENML:
        numbers, units = packs.of_senml(looked.document)
        return Observed(place=place, numbers=numbers, units=units) if numbers else None
    return Observed(place=place, numbers=looked.numbers, time=looked.time)


def observe_native(facility: str, device: str, payload: bytes, arrived_s: float) -> Observed | None:
    """Return what a message in tonne's own format says, at the topic of a device or for one."""
    numbers, units = packs.of_native(look(payload, arrived_s).document)
    if not numbers:
        return None
    place = Place(
        key=f"{families.NATIVE}:{facility}/{device}", family=families.NATIVE, label=device
    )
    return Observed(place=place, numbers=numbers, units=units)


def needs_family(observed: Observed | None, topic: str) -> bool:
    """Whether nothing of a message is documented in :mod:`.makers`, nor says itself what it is."""
    if observed is None:
        return not families.is_announcement(topic) and families.may_be_subscribed(topic)
    if observed.sensors or observed.place.family in {families.SENML, families.SPARKPLUG}:
        return False
    return bool(observed.numbers) and not any(
        makers.known(observed.place.family, topic, path) for path in observed.numbers
    )


def fitted(observed: Observed | None, fit: Fit) -> Observed:
    """Return what a message says as one of a family's device."""
    place = Place(key=fit.key, family=fit.recognised.family, label=fit.label[:100])
    if observed is None or fit.recognised.shares_topic:
        return Observed(place=place, fit=fit, numbers=fit.others)
    return replace(observed, place=place, fit=fit)


def _announcement(topic: str, payload: bytes, arrived_s: float) -> Observed | None:
    document = look(payload, arrived_s).document
    place = families.announced_place(topic, document)
    if place is not None:
        return Observed(place=place)
    place = home_assistant.device(topic, document)
    if place is None:
        return None
    sensors = tuple(
        sensor
        for sensor in home_assistant.sensors(topic, document)
        if families.may_have_readings(sensor.topic)
    )
    return Observed(place=place, sensors=sensors) if sensors else None
