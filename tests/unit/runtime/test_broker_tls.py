"""TLS settings that cannot be used are refused with a sentence that names them."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from services.core.runtime import broker_url
from services.core.runtime.broker_tls import BrokerTlsError, context

MQTTS = broker_url.parse("mqtts://b")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    mine, other = authority.issue_cert("tonne.example"), authority.issue_cert("other.example")
    key = load_pem_private_key(mine.private_key_pem.bytes(), None)
    contents = {
        "ca": authority.cert_pem.bytes(),
        "cert": mine.cert_chain_pems[0].bytes(),
        "key": mine.private_key_pem.bytes(),
        "other_key": other.private_key_pem.bytes(),
        "locked_key": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        ),
        "text": b"hello",
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return {name: directory / name for name in (*contents, "missing")}


def test_without_tls_in_the_url_there_is_no_context() -> None:
    assert context(broker_url.parse("mqtt://b"), ca=None, cert=None, key=None) is None


def test_the_brokers_certificate_is_always_checked(files: dict[str, Path]) -> None:
    for ca in (None, files["ca"]):
        made = context(MQTTS, ca=ca, cert=files["cert"], key=files["key"])
        assert made is not None
        assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"ca": "missing"}, "TLS_CA: .* cannot be read"),
        ({"ca": "text"}, "TLS_CA: .* no certificate"),
        ({"cert": "cert"}, "belong together"),
        ({"key": "key"}, "belong together"),
        ({"cert": "missing", "key": "key"}, "TLS_CERT: .* cannot be read"),
        ({"cert": "text", "key": "key"}, "TLS_CERT: .* no certificate"),
        ({"cert": "cert", "key": "missing"}, "TLS_KEY: .* cannot be read"),
        ({"cert": "cert", "key": "text"}, "TLS_KEY: .* no private key"),
        ({"cert": "cert", "key": "other_key"}, "TLS_KEY: .* is not the key of"),
        ({"cert": "cert", "key": "locked_key"}, "without a passphrase"),
    ],
)
def test_what_cannot_be_used_is_named(
    files: dict[str, Path], given: dict[str, str], complaint: str
) -> None:
    none: dict[str, Path | None] = {"ca": None, "cert": None, "key": None}
    with pytest.raises(BrokerTlsError, match=complaint):
        context(MQTTS, **{**none, **{name: files[file] for name, file in given.items()}})


def test_files_are_refused_where_nothing_would_be_encrypted(files: dict[str, Path]) -> None:
    with pytest.raises(BrokerTlsError, match=r"asks for no TLS.*mqtts://"):
        context(broker_url.parse("mqtt://b"), ca=files["ca"], cert=None, key=None)


def shown_to(context_of_client: ssl.SSLContext, authority: trustme.CA) -> str | None:
    """The name in the certificate that a connection shows, without a network."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("b").configure_cert(server)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        context_of_client.wrap_bio(to_client, to_server, server_hostname="b"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    certificate = ends[1].getpeercert()
    assert certificate is not None
    return next((name for _, name in certificate["subjectAltName"]), None)


def test_a_renewed_certificate_is_shown_at_the_next_connection(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    cert, key = tmp_path / "cert", tmp_path / "key"

    def renew(name: str, *, key_too: bool = True) -> None:
        issued = authority.issue_cert(name)
        cert.write_bytes(issued.cert_chain_pems[0].bytes())
        if key_too:
            key.write_bytes(issued.private_key_pem.bytes())

    renew("first.example")
    made = context(MQTTS, ca=tmp_path / "ca", cert=cert, key=key)
    assert made is not None
    assert shown_to(made, authority) == "first.example"
    renew("second.example")
    assert shown_to(made, authority) == "second.example"
    # half of a renewal, or none of it, leaves what was
    renew("third.example", key_too=False)
    assert shown_to(made, authority) == "second.example"
    cert.unlink()
    assert shown_to(made, authority) == "second.example"
    renew("fourth.example")
    assert shown_to(made, authority) == "fourth.example"
