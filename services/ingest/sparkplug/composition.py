"""Which broker Sparkplug's host application is at, and as whom: settings -> :class:`.door.Door`."""

from __future__ import annotations

# Texts here stay English: who starts ingest reads them
from typing import Final

import structlog

from services.core.runtime import broker_tls, broker_url
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings
from services.ingest.sources.inbox import Inbox
from services.ingest.sparkplug.door import Door
from services.ingest.sparkplug.topics import is_id
from services.ingest.stated_bounds import UnusableSettingError

_log: Final = structlog.get_logger()


def composed(settings: Settings, inbox: Inbox, clock: Clock) -> Door | None:
    """Build the door for Sparkplug; None: no broker of it is known.

    ``clock``: the time at which messages arrive.

    :raises BrokerUrlError, BrokerTlsError: ``TONNE_SPARKPLUG_URL`` cannot be used.
    :raises UnusableSettingError: ``TONNE_SPARKPLUG_HOST_ID`` cannot.
    """
    host_id = settings.sparkplug_host_id
    if not is_id(host_id):
        raise UnusableSettingError(
            f"TONNE_SPARKPLUG_HOST_ID: {host_id!r} cannot be a level of a topic; take a name"
            " without / + and #"
        )
    url = _url(settings)
    if url is None:
        return None
    tls = broker_tls.context(
        url, ca=settings.mqtt_tls_ca, cert=settings.mqtt_tls_cert, key=settings.mqtt_tls_key
    )
    return Door(
        url,
        host_id=host_id,
        inbox=inbox,
        reorder_timeout_s=settings.sparkplug_reorder_s,
        tls=tls,
        clock=clock,
    )


def _url(settings: Settings) -> BrokerUrl | None:
    if settings.sparkplug_url is not None:
        url = broker_url.parse(
            settings.sparkplug_url.get_secret_value(), setting="TONNE_SPARKPLUG_URL"
        )
        if url.protocol == "mqtt":
            return url
        raise UnusableSettingError(
            "TONNE_SPARKPLUG_URL is to begin with mqtt://, mqtts://, ws:// or wss://"
        )
    url = broker_url.parse(settings.mqtt)
    # a broker that gives an account one client id would end ingest's session for this one
    return url if url.protocol == "mqtt" and url.username is None else None
