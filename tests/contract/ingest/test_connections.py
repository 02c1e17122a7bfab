"""Connections to devices: P1 ports that break off, and pymodbus' own server that misbehaves."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from services.core.runtime import tasks
from services.ingest.connections import modbus
from services.ingest.connections.endpoints import ConnectedDevice, Endpoint
from services.ingest.connections.failures import ConnectionFailedError
from services.ingest.connections.keeping import keep
from services.ingest.connections.outlet import Outlet
from services.ingest.sources.inbox import Inbox
from services.ingest.sources.source import Message
from tests.patience import PATIENCE_S, pauses
from tests.telegrams import encrypted, port, published

FIRST, SECOND = published("dsmr-5"), published("belgium")


class Kept:
    """A connection that is kept, and what it handed over."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self.messages: list[Message] = []

    def _look(self) -> None:
        self.messages += self._inbox.receive(limit=1000, gather_s=0, timeout_s=0)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        for pause_s in pauses():
            self._look()
            if condition():
                return
            await asyncio.sleep(pause_s)
        pytest.fail(f"never: {what}; {self.messages}")

    def payloads(self, device: str = "meter") -> list[bytes]:
        return [m.payload for m in self.messages if m.topic == f"$device/linz/{device}"]

    def statuses(self, device: str = "meter") -> list[bytes]:
        topic = f"emissions/linz/{device}/status"
        return [m.payload for m in self.messages if m.topic == topic]


@asynccontextmanager
async def kept(
    endpoint: Endpoint, *devices: ConnectedDevice, silent_after_s: float = 30.0
) -> AsyncIterator[Kept]:
    inbox = Inbox(max_waiting=1000)
    outlet = Outlet(inbox, lambda: datetime.now(UTC))
    task = asyncio.create_task(keep(endpoint, devices, outlet, silent_after_s=silent_after_s))
    try:
        yield Kept(inbox)
    finally:
        # pymodbus waits by asyncio.wait_for, which may lose what asks it to end
        await tasks.end(task)


def p1_device(name: str = "meter", **part: Any) -> ConnectedDevice:
    return ConnectedDevice(facility="linz", device=name, part=part, channels=[])


def p1_at(number: int) -> Endpoint:
    return Endpoint(protocol="p1", host="127.0.0.1", port=number)


async def test_telegrams_are_handed_over_as_they_came() -> None:
    secret = encrypted(FIRST)
    looked = threading.Event()

    def speak(send: Callable[[bytes], None]) -> None:
        for part in (FIRST[200:], SECOND[:100], SECOND[100:], secret):
            send(part)
        # on another connection all of it would come once more
        looked.wait(PATIENCE_S)

    with port(speak) as (number, heard):
        async with kept(p1_at(number), p1_device(), p1_device("other", every=3600.0)) as meter:
            await meter.until(lambda: len(meter.payloads()) >= 2, "both telegrams")
            assert meter.payloads() == [SECOND, secret]
            # every: others are passed over
            assert meter.payloads("other") == [SECOND]
            assert meter.statuses() == [b"online"]
            looked.set()
    assert heard == [b""]


async def test_a_peer_that_dies_in_the_midst_is_offline_and_connected_to_again() -> None:
    calls = iter([FIRST[:400], FIRST, b"", SECOND])

    with port(lambda send: send(next(calls, b""))) as (number, _):
        async with kept(p1_at(number), p1_device()) as meter:
            await meter.until(lambda: SECOND in meter.payloads(), "the second telegram")
            assert meter.payloads() == [FIRST, SECOND]
            assert meter.statuses()[:4] == [b"offline", b"online", b"offline", b"online"]


async def test_a_port_that_says_nothing_of_use_is_silent() -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def babble(send: Callable[[bytes], None]) -> None:
        while not done.is_set():
            send(b"\xff" * 1000)
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0.02), loop).result()

    with port(babble) as (number, heard):
        async with kept(p1_at(number), p1_device(), silent_after_s=0.2) as meter:
            await meter.until(lambda: len(heard) >= 2, "a second connection")
            assert meter.statuses() == [b"offline"]
            assert meter.payloads() == []
        done.set()


async def test_a_closed_port_is_tried_again_until_it_opens() -> None:
    with port(lambda _: None) as (number, _):
        pass
    async with kept(p1_at(number), p1_device()) as meter:
        await meter.until(lambda: meter.statuses() == [b"offline"], "it is offline")


# -- Modbus -----------------------------------------------------------------------------------


def unit(number: int) -> SimDevice:
    """Two floats at input register 0, a SunSpec pair at holding register 40, and a counter."""
    floats = struct.unpack(">4H", struct.pack(">2f", 229.5, -12.25))
    return SimDevice(
        number,
        (
            [SimData(0, count=1, values=False, datatype=DataType.BITS)],
            [SimData(0, count=1, values=False, datatype=DataType.BITS)],
            [
                SimData(40, values=[1234, 0xFFFE], datatype=DataType.REGISTERS),
                SimData(100, values=[1, 2], datatype=DataType.REGISTERS),
            ],
            [SimData(0, values=list(floats), datatype=DataType.REGISTERS)],
        ),
    )


@asynccontextmanager
async def server(**more: Any) -> AsyncIterator[Endpoint]:
    """Run pymodbus' server with the units 1 and 2."""
    made = ModbusTcpServer([unit(1), unit(2)], address=("127.0.0.1", 0), **more)
    await made.serve_forever(background=True)
    try:
        number = made.transport.sockets[0].getsockname()[1]
        yield Endpoint(protocol="modbus", host="127.0.0.1", port=number)
    finally:
        await made.shutdown()


CHANNELS = [
    {"id": "voltage", "register": {"address": 0, "function": "input", "type": "float32"}},
    {"id": "power", "register": {"address": 2, "function": "input", "type": "float32"}},
    {"id": "import", "register": {"address": 40, "type": "int16", "power_of_ten": 41}},
]


def modbus_device(
    name: str = "meter", channels: Sequence[Any] = CHANNELS, **part: Any
) -> ConnectedDevice:
    defaults = {"unit": 1, "every": 10.0, "timeout": PATIENCE_S, "pause": 0.0}
    return ConnectedDevice(
        facility="linz", device=name, part={**defaults, **part}, channels=channels
    )


async def test_registers_are_read_from_units_in_turn() -> None:
    async with server() as endpoint:
        devices = modbus_device(), modbus_device("second", unit=2)
        async with kept(endpoint, *devices) as polled:
            await polled.until(
                lambda: polled.payloads() and polled.payloads("second"), "a poll of each"
            )
    assert json.loads(polled.payloads()[0])["answers"] == [
        {"function": "holding", "address": 40, "registers": "04d2fffe"},
        {"function": "input", "address": 0, "registers": "43658000c1440000"},
    ]
    assert polled.statuses("second") == [b"online"]


async def test_an_exception_is_told_of_its_registers_alone() -> None:
    channels = [*CHANNELS, {"id": "none", "register": {"address": 500, "type": "uint16"}}]
    async with server() as endpoint, kept(endpoint, modbus_device(channels=channels)) as polled:
        await polled.until(polled.payloads, "a poll")
    answers = json.loads(polled.payloads()[0])["answers"]
    assert answers[1] == {"function": "holding", "address": 500, "count": 1, "exception": 2}
    assert len(answers) == 3


async def test_a_unit_that_is_not_there_does_not_keep_others_from_their_turns() -> None:
    """The peer answers for unit 1 alone; no other answer comes, as behind many gateways."""

    def drop(sending: bool, packet: bytes) -> bytes:
        return b"" if sending and packet[6:7] == b"\x02" else packet

    async with server(trace_packet=drop) as endpoint:
        # one time holds for both: enough for the one that answers, also on a slow machine
        devices = modbus_device("mute", unit=2, timeout=1.0), modbus_device(timeout=1.0)
        async with kept(endpoint, *devices) as polled:
            await polled.until(polled.payloads, "a poll of the one that answers")
    assert polled.payloads("mute") == []
    assert polled.statuses("mute") == [b"offline"]
    assert polled.statuses() == [b"online"]


async def raw_peer(answer: Callable[[bytes], Awaitable[bytes]]) -> tuple[asyncio.Server, Endpoint]:
    """A peer whose bytes a test says; ``answer`` gets each request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while request := await reader.read(300):
                said = await answer(request)
                if not said:
                    break
                writer.write(said)
        writer.close()

    made = await asyncio.start_server(serve, "127.0.0.1", 0)
    number = made.sockets[0].getsockname()[1]
    return made, Endpoint(protocol="modbus", host="127.0.0.1", port=number)


ONE = [{"id": "a", "register": {"address": 0, "type": "uint16"}}]
PLAN = modbus.requests(ONE)


TOO_LATE = "no answer came in time"
CLOSED = "closed the connection"


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b"", CLOSED),
        # half of an answer
        (b"\x00\x00\x00\x05\x01\x03\x02", TOO_LATE),
        # of more registers than were asked for
        (b"\x00\x00\x00\x07\x01\x03\x04\x00\x01\x00\x02", "2 registers came where 1"),
        # of another unit
        (b"\x00\x00\x00\x05\x09\x03\x02\x00\x01", TOO_LATE),
        # the gateway says that the unit does not answer
        (b"\x00\x00\x00\x03\x01\x83\x0b", "the unit did not answer the gateway"),
        (b"\xff" * 200, TOO_LATE),
    ],
)
async def test_what_is_no_answer_is_none(rest: bytes, expected: str) -> None:
    async def answer(request: bytes) -> bytes:
        return request[:2] + rest if rest else b""

    # pymodbus says after that time alone that a connection has ended
    timeout_s = {TOO_LATE: 0.2, CLOSED: 1.0}.get(expected, PATIENCE_S)

    peer, endpoint = await raw_peer(answer)
    device = modbus_device(channels=ONE)
    async with peer:
        client = await modbus.connect(endpoint, timeout_s=timeout_s)
        try:
            with pytest.raises(ConnectionFailedError, match=expected):
                await modbus.poll(client, device, PLAN, datetime.now(UTC))
        finally:
            client.close()


async def test_a_gateway_that_hangs_up_for_one_unit_is_asked_for_the_others() -> None:
    async def answer(request: bytes) -> bytes:
        return request[:2] + b"\x00\x00\x00\x05\x01\x03\x02\x00\x07" if request[6] == 1 else b""

    peer, endpoint = await raw_peer(answer)
    # one time holds for both, and has to pass for the one that does not answer
    devices = (
        modbus_device("mute", ONE, unit=2, timeout=1.0),
        modbus_device(channels=ONE, timeout=1.0),
    )
    async with peer, kept(endpoint, *devices) as polled:
        await polled.until(polled.payloads, "the one that answers")
    assert polled.statuses("mute") == [b"offline"]
    assert polled.statuses() == [b"online"]


async def test_a_late_answer_is_not_taken_for_the_next() -> None:
    """After one that did not come in time the next request goes out on another connection."""
    seen: list[bytes] = []

    async def answer(request: bytes) -> bytes:
        seen.append(request)
        late = len(seen) == 1
        if late:
            await asyncio.sleep(0.4)
        return request[:2] + b"\x00\x00\x00\x05\x01\x03\x02\x00" + (b"\x07" if late else b"\x08")

    peer, endpoint = await raw_peer(answer)
    async with peer, kept(endpoint, modbus_device(channels=ONE, every=1.0, timeout=0.2)) as polled:
        await polled.until(polled.payloads, "an answer")
    assert json.loads(polled.payloads()[0])["answers"][0]["registers"] == "0008"
    assert polled.statuses() == [b"offline", b"online"]
