"""What 10 000 devices with certificates cost a broker: memory, processor, and time to come back.

Run by ``make bench``; prints a table and writes ``.tonne/bench/connections.json``. NATS and
mosquitto with the settings that `tonne devices credentials --tls` writes, a certificate for each
device, one TLS connection each with MQTT's keep-alive at a minute. Clients come 64 at a time, from
the same machine, so that times are those of both ends. Then the broker is killed and started
again, and all come back at once.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from services.cli import authority
from services.cli.device_accounts import (
    Account,
    certified_for_mosquitto,
    certified_for_nats,
    digest,
)
from tests.integration.deploy.certified import CertifiedMosquitto, CertifiedNats
from tests.services import server_directory

_AT_A_TIME: Final = 64
_TICKS_A_SECOND: Final = 100
_CONNECT: Final = b"\x00\x04MQTT\x04\x02\x00\x3c"


def _prepare(kind: str, made: Path, accounts: Sequence[Account]) -> None:
    now = datetime.now(UTC)
    with authority.opened(made) as issuer:
        issuer.issue_server(["127.0.0.1"], days=30, now=now)
        for account in accounts:
            issuer.issue(account.user, days=30, now=now)
        issuer.save(now)
        texts = (
            certified_for_nats(accounts, issuer.usable(now), ingest=digest("x"))
            if kind == "nats"
            else certified_for_mosquitto(
                accounts,
                issuer.usable(now),
                directory=made,
                authority=issuer.certificate_file,
                revoked=issuer.revoked_file,
            )
        )
    for name, text in texts.items():
        authority.write(made / name, text.encode())


def _context(made: Path, account: Account) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=made / "authority.pem")
    directory = made / "certificates" / account.user
    context.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    return context


def _session(port: int, number: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    name = f"device-{number}".encode()
    body = _CONNECT + len(name).to_bytes(2, "big") + name
    while True:
        try:
            plain = socket.create_connection(("127.0.0.1", port), timeout=60)
            wire = context.wrap_socket(plain, server_hostname="127.0.0.1")
            wire.sendall(bytes([0x10, len(body)]) + body)
            if wire.recv(4) == b"\x20\x02\x00\x00":
                return wire
            wire.close()
        except OSError:
            # it is not there yet
            time.sleep(0.05)


def _all_connected(port: int, contexts: Sequence[ssl.SSLContext]) -> list[ssl.SSLSocket]:
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(_session, [port] * len(contexts), range(len(contexts)), contexts))


def _memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def measure(kind: str, devices: int, idle_s: float) -> dict[str, Any]:
    """Connect all devices, let them be idle, kill the broker, and let them come back."""
    accounts = [
        Account(
            user=f"linz.device-{n}", topics=[f"emissions/linz/device-{n}/readings"], password=""
        )
        for n in range(devices)
    ]
    with server_directory(in_memory=True) as directory:
        made = directory / "authority"
        _prepare(kind, made, accounts)
        contexts = [_context(made, account) for account in accounts]
        server = CertifiedNats(directory) if kind == "nats" else CertifiedMosquitto(directory)
        server.start()
        try:
            empty_mb = _memory_mb(server.pid)
            began, spent = time.monotonic(), _processor_s(server.pid)
            wires = _all_connected(server.port, contexts)
            figures = {
                "broker": kind,
                "devices": devices,
                "connect_s": round(time.monotonic() - began, 1),
                "connect_processor_s": round(_processor_s(server.pid) - spent, 1),
                "memory_mb": round(_memory_mb(server.pid)),
                "memory_each_kb": round((_memory_mb(server.pid) - empty_mb) * 1024 / devices, 1),
            }
            spent = _processor_s(server.pid)
            time.sleep(idle_s)
            figures["idle_processor_percent"] = round(
                100 * (_processor_s(server.pid) - spent) / idle_s, 1
            )
            server.kill()
            for wire in wires:
                wire.close()
            began = time.monotonic()
            server.start()
            wires = _all_connected(server.port, contexts)
            figures["reconnect_s"] = round(time.monotonic() - began, 1)
            for wire in wires:
                wire.close()
            return figures
        finally:
            server.kill()


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--idle-s", type=float, default=10.0)
    arguments = parser.parse_args()
    results = [measure(kind, arguments.devices, arguments.idle_s) for kind in ("nats", "mosquitto")]
    for figures in results:
        print(figures)
    report = Path(".tonne/bench/connections.json")
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
