"""The device families that come with tonne, read from the two files that each has.

``GROUP/NAME.yaml`` is a facility file as ``tonne apply`` takes it. The comment at its top is the
family's title and, after a colon, what a reader must know. ``GROUP/NAME.messages.yaml`` has
messages as the makers document them, and the readings that must come out.
"""

from __future__ import annotations

# Texts here stay English: pages of the documentation have them
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

#: Folders of families in the order in which people read them, with their titles.
GROUPS: Final = {
    "plugs": "Plugs, relays and sub-meters",
    "meters": "Meters and their readers",
    "inverters": "Inverters and batteries",
    "charging": "Vehicle charging",
    "heat": "Heating, gas and water",
    "home": "Home automation",
    "lorawan": "LoRaWAN",
    "gateways": "Industrial gateways",
}

#: Where the numbers of a message are from, by the word that its file has for it.
NUMBERS: Final = {
    "documented": "of the documentation",
    "captured": "of a device",
    "examples": "examples",
}

_MESSAGES: Final = ".messages.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentedMessage:
    """A message as a maker documents it."""

    topic: str
    payload: str
    #: where it is documented, and the licence of that
    source: str
    licence: str
    #: where its numbers are from, a key of :data:`NUMBERS`
    numbers: str
    #: the readings that must come out, as ``DEVICE.CHANNEL VALUE UNIT TIME``
    readings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Devices that speak alike."""

    #: as ``tonne devices examples`` takes it
    name: str
    #: folder, a key of :data:`GROUPS`
    group: str
    title: str
    introduction: str
    #: the whole facility file, its comments included
    text: str

    @property
    def file(self) -> str:
        """Return the facility file without the comment at its top."""
        return self.text[len(_comment(self.text)) :]

    @property
    def names(self) -> frozenset[str]:
        """Return the words of its topics and ids that are each device's own."""
        return frozenset(map(str, self._stated().get("names", ())))

    @property
    def also(self) -> tuple[str, ...]:
        """Return what else people look for that this family's file reads."""
        return tuple(self._stated().get("also", ()))

    def messages(self) -> tuple[DocumentedMessage, ...]:
        """Return the family's messages in the order of their file."""
        stated = self._stated()
        return tuple(
            DocumentedMessage(
                topic=message["topic"],
                payload=message["payload"],
                source=message.get("source", stated.get("source")),
                licence=message.get("licence", stated.get("licence")),
                numbers=message.get("numbers", stated.get("numbers")),
                readings=tuple(message["readings"]),
            )
            for message in stated["messages"]
        )

    def _stated(self) -> Any:
        text = (_folder(self.group) / f"{self.name}{_MESSAGES}").read_text(encoding="utf-8")
        return document(text)


def document(text: str) -> Any:
    """Return what a text in YAML states."""
    # an ingest that never hears an unknown device needs no YAML
    from ruamel.yaml import YAML  # noqa: PLC0415

    return YAML(typ="safe", pure=True).load(text)


def families() -> list[Family]:
    """Return all families, by group and then by title."""
    return [
        family
        for group in GROUPS
        for family in sorted(_of_group(group), key=lambda family: family.title.casefold())
    ]


def family_called(name: str) -> Family:
    """Return the family of a name; :class:`KeyError` if there is none."""
    for family in families():
        if family.name == name:
            return family
    raise KeyError(name)


def _of_group(group: str) -> Iterator[Family]:
    for path in _folder(group).iterdir():
        if path.name.endswith(".yaml") and not path.name.endswith(_MESSAGES):
            yield _family(group, path)


def _family(group: str, path: Traversable) -> Family:
    text = path.read_text(encoding="utf-8")
    lines = (line.removeprefix("#").strip() for line in _comment(text).splitlines())
    title, _, introduction = " ".join(lines).partition(": ")
    return Family(
        name=path.name.removesuffix(".yaml"),
        group=group,
        title=title,
        introduction=introduction,
        text=text,
    )


def _comment(text: str) -> str:
    comment = re.match(r"(?:#.*\n)*", text)
    return comment[0] if comment else ""


def _folder(group: str) -> Traversable:
    return files("services.core.facility.families") / group
