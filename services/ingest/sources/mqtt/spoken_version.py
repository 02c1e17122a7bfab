"""Which version of MQTT is spoken with a broker, and what of MQTT 5 is asked for."""

from __future__ import annotations

from typing import Any, Final

import structlog
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from services.core.runtime.settings import MqttVersion
from services.ingest.sources.mqtt.topic_aliases import MAX_ALIASES
from services.ingest.sources.source import SourceError

_log: Final = structlog.get_logger()

#: The broker keeps the session as long as it can: section 3.1.2.11.2.
_FOR_EVER_S: Final = 0xFFFF_FFFF

#: As many as packet ids allow: brokers that have a narrower window of their own (mosquitto: 20)
#: take a client's word for it.
_IN_FLIGHT: Final = 0xFFFF

_NOT_SPOKEN: Final = "Unsupported protocol version"


class SpokenVersion:
    """Asks for MQTT 5 first, and goes on with 3.1.1 where the broker knows no other."""

    def __init__(self, wanted: MqttVersion) -> None:
        self._fixed = wanted != "auto"
        #: what the next connection asks for
        self.asked = (
            MQTTProtocolVersion.MQTTv311 if wanted == "3.1.1" else MQTTProtocolVersion.MQTTv5
        )
        #: whether the connection that ends now does so because another version is to be asked for
        self.changed = False
        self._accepted = False

    @property
    def is_5(self) -> bool:
        """Whether packets have what MQTT 5 brought."""
        return self.asked == MQTTProtocolVersion.MQTTv5

    def options(self) -> dict[str, Any]:
        """Return what ``connect`` is told beside the address."""
        self.changed = False
        if not self.is_5:
            return {}
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _FOR_EVER_S
        properties.ReceiveMaximum = _IN_FLIGHT
        properties.TopicAliasMaximum = MAX_ALIASES
        return {"clean_start": False, "properties": properties}

    def accepted(self, properties: Properties | None, *, broker: str) -> None:
        """Note that the broker has opened a session; tell if it will not keep it."""
        self._accepted = True
        keeps_s = getattr(properties, "SessionExpiryInterval", _FOR_EVER_S)
        if keeps_s < _FOR_EVER_S:
            _log.warning(
                "the broker drops what waits for ingest when ingest is away for longer than it"
                " keeps sessions; let it keep them for days",
                broker=broker,
                keeps_s=keeps_s,
            )

    def refused(self, code: ReasonCode, *, broker: str) -> bool:
        """Whether the broker has refused this version, and the next connection asks for another.

        :raises SourceError: no other may be asked for.
        """
        if not self.is_5 or code.getName() != _NOT_SPOKEN:
            return False
        if self._fixed:
            raise SourceError(
                f"the broker at {broker} does not speak MQTT 5; set TONNE_MQTT_VERSION to 3.1.1 or"
                " leave it out"
            )
        _log.info("the broker does not speak MQTT 5; going on with 3.1.1", broker=broker)
        self.asked, self.changed = MQTTProtocolVersion.MQTTv311, True
        return True

    def not_answered(self) -> None:
        """Note that a connection has ended before the broker said anything else.

        Some brokers end it without a word when they are asked for a version that they do not know.
        """
        if self._fixed or self._accepted or self.changed:
            return
        self.asked = MQTTProtocolVersion.MQTTv311 if self.is_5 else MQTTProtocolVersion.MQTTv5
