"""Who is notified of a facility's alerts, as the outbox's column ``target`` names them.

An entry for Home Assistant is none of them: it gets totals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from services.core.facility.model import FacilityFile, Notify

#: The recipient that every facility has without naming it: its own topics.
MQTT = "mqtt"


def is_recipient(entry: Notify) -> bool:
    """Return whether an entry names somebody who gets alerts."""
    return entry.mqtt is not False and entry.homeassistant is None


def target_of(entry: Notify) -> str:
    """Return what tells one recipient from another."""
    for kind in ("webhook", "alertmanager", "email"):
        address = getattr(entry, kind)
        if address is not None:
            return f"{kind} {address}"
    return MQTT


def targets_of(entries: Iterable[Notify]) -> list[str]:
    """List the recipients, each once; the facility's own topics unless an entry refuses them."""
    targets = dict.fromkeys([MQTT])
    for entry in entries:
        if is_recipient(entry):
            targets[target_of(entry)] = None
        elif entry.mqtt is False:
            targets.pop(MQTT, None)
    return list(targets)


def kind_of(target: str) -> str:
    """Return the kind of a target: webhook, alertmanager, email or mqtt."""
    return target.partition(" ")[0]


def address_of(target: str) -> str:
    """Return the address of a target."""
    return target.partition(" ")[2]


def shown(target: str) -> str:
    """Return a target for logs: beyond their host, addresses of webhooks are often secrets."""
    kind, address = kind_of(target), address_of(target)
    if kind in {"webhook", "alertmanager"}:
        parts = urlsplit(address)
        return f"{kind} {parts.scheme}://{parts.netloc}"
    return target


def problems(file: FacilityFile) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each reason why the recipients cannot be used, with its path."""
    announcing = [i for i, entry in enumerate(file.notify) if entry.homeassistant]
    for i in announcing[1:]:
        yield (
            ("notify", i, "homeassistant"),
            "totals are published to Home Assistant once: leave one entry with homeassistant",
        )
