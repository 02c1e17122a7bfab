"""Telegrams of P1 ports, from published ones and with checksums of their own, and a port."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_FIXTURES = Path(__file__).parent / "fixtures" / "p1"

KEY = "000102030405060708090A0B0C0D0E0F"


def published(name: str) -> bytes:
    """Return a telegram of :file:`tests/fixtures/p1` as it is on the line."""
    return (_FIXTURES / f"{name}.txt").read_text().replace("\n", "\r\n").encode()


def checksum(text: bytes) -> bytes:
    """CRC16 of the P1 Companion Standard, section 5.2: polynomial x16 + x15 + x2 + 1, reflected."""
    crc = 0
    for byte in text:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return b"%04X" % crc


def telegram(*lines: str, version: str = "50") -> bytes:
    """Return a telegram with these lines and the right checksum."""
    text = "\r\n".join(["/TNN5\\example", "", f"1-3:0.2.8({version})", *lines, "!"]).encode()
    return text + checksum(text) + b"\r\n"


def encrypted(plain: bytes, *, key: str = KEY) -> bytes:
    """Encrypt a telegram as Luxembourg's and Austria's meters do: AES-GCM, security suite 0."""
    title, counter = b"SAGgp\x00\x0b\x1b", struct.pack(">I", 7)
    tagged = AESGCM(bytes.fromhex(key)).encrypt(title + counter, plain, b"\x30" + b"\xbb" * 16)
    # this meter's tag has 12 bytes
    content = b"\x30" + counter + tagged[:-4]
    return b"\xdb\x08" + title + b"\x82" + struct.pack(">H", len(content)) + content


@contextmanager
def port(speak: Callable[[Callable[[bytes], None]], None]) -> Iterator[tuple[int, list[bytes]]]:
    """Serve a P1 port at TCP; ``speak`` is called for each connection with what sends bytes.

    Yields the port, and a list that grows by what each connection sent to it.
    """
    heard: list[bytes] = []

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            heard.append(b"")
            try:
                speak(self.request.sendall)
            except OSError:
                return
            self.request.settimeout(0.01)
            try:
                heard[-1] += self.request.recv(100)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Connection) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()
            thread.join()
