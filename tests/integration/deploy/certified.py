"""Brokers whose clients show certificates that `tonne devices credentials --tls` issued."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from deploy.local import nats_server
from services.cli import app
from services.core.runtime.mqtt_client import MqttClient
from tests.patience import PATIENCE_S, until
from tests.services import Mosquitto, Nats, accepts_connections

FILES = (
    """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: cems-1
    channels: [{id: co2, quantity: fraction, unit: "%", kind: gauge}]
  - id: cems-2
    channels: [{id: co2, quantity: fraction, unit: "%", kind: gauge}]
""",
    """
facility: {id: graz, name: Graz works, timezone: Europe/Vienna}
devices:
  - id: cems-1
    channels: [{id: co2, quantity: fraction, unit: "%", kind: gauge}]
""",
)


def command(*arguments: str) -> str:
    """Run a command of tonne and return what it printed."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


class CertifiedNats(Nats):
    """With the shipped settings for certificates, and the users that the authority lists."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        made = directory / "authority"
        tls = (nats_server._SETTINGS.parent / "mqtt-certificates-on.conf").read_text()
        for secret, file in (
            ("tls_certificate", made / "certificates" / "broker" / "certificate.pem"),
            ("tls_key", made / "certificates" / "broker" / "key.pem"),
            ("devices_authority", made / "authority.pem"),
        ):
            tls = tls.replace(f"/run/secrets/{secret}", str(file))
        (directory / "mqtt-tls.conf").write_text(tls)
        (directory / "nats-users.conf").unlink()
        (directory / "nats-users.conf").symlink_to(made / "nats-users.conf")

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "NATS_ANYBODY": '""'}


class CertifiedMosquitto(Mosquitto):
    """With a listener as the authority's settings say."""

    def command(self) -> list[str]:
        words = super().command()
        made = self.directory / "authority"
        broker = made / "certificates" / "broker"
        settings = self.directory / "mosquitto.conf"
        settings.write_text(
            settings.read_text().replace(
                "allow_anonymous true",
                f"certfile {broker / 'certificate.pem'}\nkeyfile {broker / 'key.pem'}\n"
                + (made / "mosquitto-users.conf").read_text(),
            )
        )
        return words


@dataclass
class Certified:
    """A broker and the authority that its clients' certificates come from."""

    server: Nats | Mosquitto
    authority: Path
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    def files(self, account: str) -> tuple[Path, Path]:
        """The certificate and key of an account."""
        directory = self.authority / "certificates" / account
        return directory / "certificate.pem", directory / "key.pem"

    def kept(self, account: str, into: Path) -> tuple[Path, Path]:
        """A copy of them, which a renewal leaves as they are: what a thief has, or the device."""
        into.mkdir(exist_ok=True)
        certificate, key = (Path(shutil.copy(file, into)) for file in self.files(account))
        return certificate, key

    def issue(self, *devices: str, days: int = 365) -> None:
        kind = "nats" if isinstance(self.server, Nats) else "mosquitto"
        command(
            "devices", "credentials", *devices, "--tls", "--broker", kind,
            "--into", str(self.authority), "--days", str(days),
        )  # fmt: skip

    def revoke(self, *arguments: str) -> None:
        command("devices", "revoke", *arguments, "--into", str(self.authority))

    def reload(self) -> None:
        """Let the broker read its settings again, and wait until it has."""
        said = (
            "Reloaded server configuration" if isinstance(self.server, Nats) else "Reloading conf"
        )
        before = self.server.log.read_text(errors="replace").count(said)
        os.kill(self.server.pid, signal.SIGHUP)
        until(
            lambda: self.server.log.read_text(errors="replace").count(said) > before,
            "the broker reads its settings again",
        )

    def context(self, files: tuple[Path, Path] | None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.authority / "authority.pem")
        if files is not None:
            made.load_cert_chain(*files)
        return made

    def client(
        self, files: tuple[Path, Path] | None, *, user: str | None = None, client_id: str = ""
    ) -> MqttClient | None:
        """A connection with these files, or None where the broker lets nobody in by them."""
        client = MqttClient(
            CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False
        )
        client.tls_set_context(self.context(files))
        if user is not None:
            client.username_pw_set(user, "guessed")
        ends: list[bool] = []
        client.on_connect = lambda _c, _u, _f, code, _p: ends.append(not code.is_failure)
        client.on_disconnect = lambda *_: ends.append(False)
        try:
            client.connect("127.0.0.1", self.server.port)
        except (ssl.SSLError, ConnectionError):
            client.release()
            return None
        client.loop_start()
        until(lambda: ends, "the broker answers")
        if ends[0]:
            return client
        end(client)
        return None

    @contextmanager
    def connected(self, account: str, *, client_id: str = "") -> Iterator[MqttClient]:
        client = self.client(self.files(account), client_id=client_id)
        assert client is not None, self.server.log_tail()
        try:
            yield client
        finally:
            end(client)

    def publish(self, account: str, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish as a device; a broker may acknowledge what it drops, or hang up."""
        with self.connected(account) as device:
            done = device.publish(topic, payload, qos=1, retain=retain)
            until(lambda: done.is_published() or not device.is_connected(), "the broker answers")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear all that devices say, as ingest does."""
        self.heard.clear()
        with self.connected("tonne-ingest", client_id="listener") as tonne:
            subscribed: list[int] = []
            tonne.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
            tonne.on_subscribe = lambda _c, _u, mid, _r, _p: subscribed.append(mid)
            tonne.subscribe("#", 1)
            until(lambda: subscribed, "tonne listens")
            yield

    @contextmanager
    def raw(self, account: str, *, will: bytes = b"") -> Iterator[ssl.SSLSocket]:
        """A connection of an account, for what no client library sends.

        ``will``: a topic at which the broker is to publish when the connection is lost.
        """
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE_S)
        context = self.context(self.files(account))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as wire:
            # MQTT 3.1.1, a clean session of client id x
            last = len(will).to_bytes(2, "big") + will + b"\x00\x06forged" if will else b""
            flags = b"\x0e" if will else b"\x02"
            body = b"\x00\x04MQTT\x04" + flags + b"\x00\x3c\x00\x01x" + last
            wire.sendall(bytes([0x10, len(body)]) + body)
            assert wire.recv(4) == b"\x20\x02\x00\x00"
            yield wire

    @property
    def serial(self) -> str:
        """Of the certificate that the broker shows."""
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE_S)
        context = self.context(self.files("tonne-ingest"))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as wire:
            shown = wire.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"]).lower()


def end(client: MqttClient) -> None:
    client.disconnect()
    client.loop_stop()
    client.release()


@contextmanager
def certified(kind: str, directory: Path) -> Iterator[Certified]:
    """Start a broker of certificates for the devices of the database of the settings."""
    made = directory / "authority"
    command(
        "devices", "credentials", "--tls", "--broker", kind, "--into", str(made),
        "--server", "127.0.0.1",
    )  # fmt: skip
    server = CertifiedNats(directory) if kind == "nats" else CertifiedMosquitto(directory)
    server.start()
    assert accepts_connections(server.port)
    try:
        yield Certified(server, made)
    finally:
        server.stop()
