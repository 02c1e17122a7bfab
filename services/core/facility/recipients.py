"""Who is notified of a facility's alerts, as the outbox's column ``target`` names them."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from services.core.facility.model import Notify

#: The recipient that every facility has without naming it: its own topics.
MQTT = "mqtt"


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
        if entry.mqtt is False:
            targets.pop(MQTT, None)
        else:
            targets[target_of(entry)] = None
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
