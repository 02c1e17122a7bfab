"""How the broker's certificate is checked, and which one is shown to it."""

from __future__ import annotations

import ssl
from pathlib import Path

from services.core.runtime.broker_url import BrokerUrl
from services.core.runtime.renewed_tls import RenewedContext


class BrokerTlsError(ValueError):
    """A TONNE_MQTT_TLS_* setting cannot be used."""


def context(
    url: BrokerUrl, *, ca: Path | None, cert: Path | None, key: Path | None
) -> ssl.SSLContext | None:
    """Return what a connection to ``url`` is made with; None without TLS.

    The files are PEM, and read again when they were renewed; without ``ca`` the machine's own
    authorities are trusted.

    :raises BrokerTlsError: a file cannot be used, only one of certificate and key is given, or
        files are given and the URL asks for no TLS.
    """
    if not url.tls:
        if ca or cert or key:
            raise BrokerTlsError(
                "TONNE_MQTT_TLS_* is set, but TONNE_MQTT_URL asks for no TLS; let it begin with"
                " mqtts://, wss:// or tls://"
            )
        return None
    if (cert is None) != (key is None):
        raise BrokerTlsError(
            "TONNE_MQTT_TLS_CERT and TONNE_MQTT_TLS_KEY belong together; set both or neither"
        )
    if cert is not None:
        # to see that it holds a certificate; what follows would not say which file is wrong
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "TONNE_MQTT_TLS_CERT", cert)

    def load(tls: ssl.SSLContext) -> None:
        if ca is None:
            tls.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            _trust(tls, "TONNE_MQTT_TLS_CA", ca)
        if cert is not None and key is not None:
            _show(tls, cert, key)

    files = [file for file in (ca, cert, key) if file is not None]
    return RenewedContext.of_files(ssl.PROTOCOL_TLS_CLIENT, files, load)


def _trust(tls: ssl.SSLContext, setting: str, file: Path) -> None:
    _check_readable(setting, file)
    try:
        tls.load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise BrokerTlsError(f"{setting}: {file} holds no certificate in PEM") from None


def _show(tls: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _check_readable("TONNE_MQTT_TLS_KEY", key)
    try:
        tls.load_cert_chain(certificate, key, password=_no_passphrase)
    except ssl.SSLError as error:
        mistake = "holds no private key in PEM"
        if error.reason == "KEY_VALUES_MISMATCH":
            mistake = f"is not the key of {certificate}"
        raise BrokerTlsError(f"TONNE_MQTT_TLS_KEY: {key} {mistake}") from None


def _no_passphrase() -> str:
    """Refuse an encrypted key; without this OpenSSL would ask at the terminal."""
    raise BrokerTlsError("TONNE_MQTT_TLS_KEY is encrypted; give it without a passphrase")


def _check_readable(setting: str, file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise BrokerTlsError(f"{setting}: {file} cannot be read ({error.strerror})") from None
