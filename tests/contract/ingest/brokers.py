"""Brokers with every listener that a source may come by: plain, TLS with client certificates, and
WebSocket; and the certificates for them."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import nats
import trustme
from nats.js.api import ConsumerInfo

from services.core.runtime import broker_tls, broker_url
from services.ingest.sources.jetstream.durable import STREAM, Durable, Memory
from services.ingest.sources.jetstream.subjects import subjects
from tests.patience import PATIENCE_S
from tests.services import Mosquitto, UnsyncedNats, free_port, replaced

#: Of sources: nobody asks them for messages while a test waits for something else.
HOLD_S = 2 * PATIENCE_S


@dataclass
class Certificates:
    """An authority of its own, with a certificate for 127.0.0.1 and one for a client."""

    directory: Path
    ca: Path = field(init=False)

    def __post_init__(self) -> None:
        authority = trustme.CA()
        self.ca = self._written("ca", authority.cert_pem)
        for name, issued in (
            ("server", authority.issue_cert("127.0.0.1")),
            ("client", authority.issue_cert("ingest.tonne.example", common_name="tonne")),
        ):
            self._written(f"{name}-cert", *issued.cert_chain_pems)
            self._written(f"{name}-key", issued.private_key_pem)
        # Debian's mosquitto, started by root, goes on as another user
        self.directory.chmod(0o755)

    def file(self, name: str) -> Path:
        """``server-cert``, ``server-key``, ``client-cert`` or ``client-key``."""
        return self.directory / f"{name}.pem"

    def context(self, url: str) -> ssl.SSLContext | None:
        """As ingest makes it of its settings."""
        parsed = broker_url.parse(url)
        if not parsed.tls:
            return None
        return broker_tls.context(
            parsed, ca=self.ca, cert=self.file("client-cert"), key=self.file("client-key")
        )

    def _written(self, name: str, *blobs: trustme.Blob) -> Path:
        for blob in blobs:
            blob.write_to_path(str(self.file(name)), append=True)
        return self.file(name)


def make_durable(url: str, name: str, *, ack_wait_s: float) -> None:
    """Make the consumer that ingest will find, with a time of the test's own."""

    async def make() -> None:
        client = await nats.connect(url)
        durable = Durable(client, name, ack_wait_s=ack_wait_s, memory=Memory())
        await durable.ensure(subjects({"emissions/#"}))
        await client.close()

    asyncio.run(make())


def forget_durable(url: str, name: str, *, tls: ssl.SSLContext | None = None) -> None:
    """Let NATS drop the consumer and what it holds for it."""

    async def forget() -> None:
        client = await nats.connect(url, tls=tls)
        await client.jetstream().delete_consumer(STREAM, name)
        await client.close()

    asyncio.run(forget())


def _sessions(url: str, tls: ssl.SSLContext | None = None) -> list[ConsumerInfo]:
    """What NATS says of all sessions that it keeps messages for."""

    async def look() -> list[ConsumerInfo]:
        client = await nats.connect(url, tls=tls)
        try:
            return await client.jetstream().consumers_info(STREAM)
        finally:
            await client.close()

    return asyncio.run(look())


def has_consumers(url: str) -> bool:
    """Whether NATS keeps messages for any session."""
    return bool(_sessions(url))


def is_left(url: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Whether no MQTT client hears what NATS keeps, so that all that comes now waits.

    A client that has closed its connection may count as there for a moment: what is sent to it then
    waits for its acknowledgement.
    """
    return not any(session.push_bound for session in _sessions(url, tls))


class TimedNats(UnsyncedNats):
    """With the shipped settings, but for the time after which a message comes again."""

    ack_wait_s: ClassVar[int]

    def settings(self) -> str:
        """The settings file's text."""
        return replaced(r'ack_wait: "\w+"', f'ack_wait: "{self.ack_wait_s}s"', super().settings())


class ImpatientNats(TimedNats):
    """What is not acknowledged comes again after a second: also what is still being stored."""

    ack_wait_s = 1


class PatientNats(TimedNats):
    """Everything comes once, however long a slow machine takes to store it."""

    ack_wait_s = 3600


class WiredNats(PatientNats):
    """Listens for WebSockets too; with certificates, by TLS alone and to their clients only."""

    def __init__(self, directory: Path, certificates: Certificates | None = None) -> None:
        super().__init__(directory)
        self.certificates = certificates
        self.websocket_port = free_port()

    def settings(self) -> str:
        """The settings file's text."""
        text = super().settings()
        tls = "no_tls: true"
        if self.certificates is not None:
            tls = (
                f'tls {{ cert_file: "{self.certificates.file("server-cert")}",'
                f' key_file: "{self.certificates.file("server-key")}",'
                f' ca_file: "{self.certificates.ca}", verify: true }}'
            )
            text = text.replace("mqtt {\n", f"mqtt {{\n  {tls}\n") + f"{tls}\n"
        return f"{text}websocket {{\n host: 127.0.0.1\n port: {self.websocket_port}\n {tls}\n}}\n"


class ImpatientWiredNats(WiredNats):
    """What is not acknowledged comes again after a second."""

    ack_wait_s = ImpatientNats.ack_wait_s


class WiredMosquitto(Mosquitto):
    """Listens for WebSockets too, and for both by TLS, there to clients with a certificate only."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory)
        self.certificates = certificates
        self.websocket_port, self.tls_port, self.tls_websocket_port = (
            free_port() for _ in range(3)
        )

    def listeners(self) -> str:
        """What is listened on beside the plain port."""
        tls = (
            f"cafile {self.certificates.ca}\ncertfile {self.certificates.file('server-cert')}\n"
            f"keyfile {self.certificates.file('server-key')}\nrequire_certificate true\n"
        )
        return (
            f"listener {self.websocket_port} 127.0.0.1\nprotocol websockets\n"
            f"listener {self.tls_port} 127.0.0.1\n{tls}"
            f"listener {self.tls_websocket_port} 127.0.0.1\nprotocol websockets\n{tls}"
        )


def is_settled(url: str) -> bool:
    """Whether NATS waits for no acknowledgement, so that nothing comes again."""
    return not any(session.num_ack_pending or session.num_pending for session in _sessions(url))
