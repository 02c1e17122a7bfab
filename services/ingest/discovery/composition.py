"""Which broker discovery listens at, and how: settings -> :class:`.discovery.Discovery`."""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from services.core.runtime import broker_tls, broker_url
from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings
from services.ingest.discovery.discovery import Discovery, Limits, filters
from services.ingest.discovery.ear import MqttEar

_log: Final = structlog.get_logger()


class Taking(Protocol):
    """What of the pipeline discovery knows."""

    def is_taken(self, topic: str) -> bool:
        """Whether messages at a topic are of registered devices."""

    @property
    def clock(self) -> Clock:
        """The time at which messages arrive."""


def composed(settings: Settings, pipeline: Taking) -> Discovery:
    """Build discovery.

    :raises BrokerUrlError, BrokerTlsError: ``TONNE_DISCOVERY_URL`` cannot be used.
    """
    limits = Limits(
        messages_per_s=settings.discovery_messages_per_s, candidates=settings.discovery_candidates
    )
    return Discovery(
        _ear(settings, pipeline.clock),
        settings.database,
        limits=limits,
        is_taken=pipeline.is_taken,
    )


def _ear(settings: Settings, clock: Clock) -> MqttEar | None:
    stated = filters(settings.discovery_topics)
    url = _url(settings)
    if not stated or url is None:
        return None
    tls = broker_tls.context(
        url, ca=settings.mqtt_tls_ca, cert=settings.mqtt_tls_cert, key=settings.mqtt_tls_key
    )
    return MqttEar(url, filters=stated, tls=tls, clock=clock)


def _url(settings: Settings) -> BrokerUrl | None:
    if settings.discovery_url is not None:
        url = broker_url.parse(
            settings.discovery_url.get_secret_value(), setting="TONNE_DISCOVERY_URL"
        )
        if url.protocol == "mqtt":
            return url
        _log.warning("discovery is off: TONNE_DISCOVERY_URL is to begin with mqtt:// or mqtts://")
        return None
    url = broker_url.parse(settings.mqtt)
    if url.protocol == "mqtt" and url.username is None:
        return url
    # a broker that gives an account one client id would end ingest's session for this one
    _log.info("discovery is off: set TONNE_DISCOVERY_URL to a broker's MQTT address and an account")
    return None
