"""How a backup reaches the broker."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from services.core.backup.problem import BackupError
from services.core.runtime import broker_tls, broker_url
from services.core.runtime.broker_tls import BrokerTlsError
from services.core.runtime.broker_url import BrokerUrl, BrokerUrlError
from services.core.runtime.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BrokerAccess:
    """Where NATS is, and what TLS is spoken with it."""

    url: BrokerUrl
    tls: ssl.SSLContext | None


def access(settings: Settings) -> BrokerAccess | None:
    """Return how NATS is reached; None where no setting names it by its own protocol.

    :raises BackupError: a setting cannot be used.
    """
    own_url = settings.backup_broker_url
    setting = "TONNE_MQTT_URL" if own_url is None else "TONNE_BACKUP_BROKER_URL"
    try:
        url = broker_url.parse(
            settings.mqtt if own_url is None else own_url.get_secret_value(), setting=setting
        )
        if url.protocol != "nats":
            if own_url is None:
                return None
            raise BackupError(f"{setting} must begin with nats:// or tls://")
        tls = broker_tls.context(
            url,
            ca=settings.mqtt_tls_ca if url.tls else None,
            cert=settings.mqtt_tls_cert if url.tls else None,
            key=settings.mqtt_tls_key if url.tls else None,
        )
    except (BrokerUrlError, BrokerTlsError) as error:
        raise BackupError(str(error)) from None
    return BrokerAccess(url=url, tls=tls)
