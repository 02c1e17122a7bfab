"""HTTPS by the API itself: its certificate, which is read again when it was renewed."""

from __future__ import annotations

import ssl

from services.core.runtime.renewed_tls import RenewedContext
from services.core.runtime.settings import Settings


class ServerTlsError(ValueError):
    """``TONNE_API_TLS_*`` cannot be used; the message says why."""


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return what connections to the API are made with; None: they are without TLS.

    :raises ServerTlsError: a file cannot be used, or only one of the two is given.
    """
    certificate, key = settings.api_tls_cert, settings.api_tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ServerTlsError(
            "TONNE_API_TLS_CERT and TONNE_API_TLS_KEY belong together; set both or neither"
        )

    def load(tls: ssl.SSLContext) -> None:
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(certificate, key, password=_no_passphrase)

    try:
        return RenewedContext.of_files(ssl.PROTOCOL_TLS_SERVER, (certificate, key), load)
    except OSError as error:
        # ssl.SSLError is one, too
        raise ServerTlsError(
            f"TONNE_API_TLS_CERT {certificate} and TONNE_API_TLS_KEY {key} cannot be used"
            f" ({error.strerror})"
        ) from None


def _no_passphrase() -> str:
    """Refuse an encrypted key; without this OpenSSL would ask at the terminal."""
    raise ServerTlsError("TONNE_API_TLS_KEY is encrypted; give it without a passphrase")
