"""Which devices ingest may connect to: settings -> :class:`.door.ConnectionsDoor`."""

from __future__ import annotations

from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings
from services.ingest.connections import hosts
from services.ingest.connections.door import ConnectionsDoor
from services.ingest.sources.inbox import Inbox
from services.ingest.stated_bounds import UnusableSettingError


def composed(settings: Settings, inbox: Inbox, clock: Clock) -> ConnectionsDoor:
    """Build the door.

    :raises UnusableSettingError: ``TONNE_DEVICE_HOSTS`` cannot be used.
    """
    try:
        allowed = hosts.parse(settings.device_hosts)
    except hosts.HostsError as error:
        raise UnusableSettingError(f"TONNE_DEVICE_HOSTS: {error}") from None
    return ConnectionsDoor(allowed, inbox=inbox, clock=clock)
