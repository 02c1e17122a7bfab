"""What devices say to whom they are connected: bytes of a P1 port, registers of Modbus."""

from __future__ import annotations

from json import dumps
from typing import Final

from services.ingest.connections.p1_stream import P1Stream
from services.ingest.decode import decoder_for
from services.ingest.decode.p1 import LONGEST_BYTES
from tests.fuzz.answers import holds
from tests.telegrams import checksum

_P1: Final = decoder_for(
    "p1",
    {"p1": {"key_env": "TONNE_SECRET_NOT_THERE"}},
    [
        {"id": "a", "from": "1-0:1.8.0", "kind": "counter"},
        {"id": "b", "from": "0-1:24.3.0", "kind": "counter"},
        {"id": "c", "from": "0-1:24.2.1", "kind": "interval"},
    ],
)

_MODBUS: Final = decoder_for(
    "modbus",
    {},
    [
        {"id": "a", "register": {"address": 0, "type": "float32", "word_order": "little"}},
        {"id": "b", "register": {"address": 2, "type": "int16", "power_of_ten": 3}},
        {"id": "c", "register": {"address": 0, "type": "uint64", "function": "input"}},
    ],
)


def p1(payload: bytes) -> set[str]:
    """Bytes of a P1 port: what is cut out of them, and the same with a right checksum."""
    signed = b"/TNN5\\x\r\n" + payload[:1000].replace(b"!", b"").replace(b"/", b"") + b"\r\n!"
    read = [holds(_P1, payload), holds(_P1, signed + checksum(signed) + b"\r\n")]
    stream = P1Stream()
    for start in range(0, len(payload), 1000):
        for telegram in stream.feed(payload[start : start + 1000]):
            assert 0 < len(telegram) <= LONGEST_BYTES
            read.append(holds(_P1, telegram))
    return {"p1"} if any(read) else set()


def modbus(payload: bytes) -> set[str]:
    """What was read of registers, as it may lie in quarantine, and any registers."""
    registers = payload[:250].hex()
    registers = registers[: len(registers) // 4 * 4]
    answers = [
        {"function": name, "address": 0, "registers": registers} for name in ("holding", "input")
    ]
    polled = dumps({"time": "2026-11-23T18:00:00Z", "answers": answers}).encode()
    read = [holds(_MODBUS, payload), holds(_MODBUS, polled)]
    return {"modbus"} if any(read) else set()
