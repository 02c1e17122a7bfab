"""One connection to a Modbus device or gateway: registers are read, and none is ever written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from services.core.runtime import metrics
from services.core.runtime.backoff import Backoff
from services.core.timeline.instants import rfc3339
from services.ingest.connections.endpoints import ConnectedDevice, Endpoint
from services.ingest.connections.failures import AwayError, SilentError
from services.ingest.connections.outlet import Outlet
from services.ingest.connections.requests import Request, requests
from services.ingest.decode.modbus import Answer, Poll, exception_text

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient

#: Exceptions with which a gateway says that it has no answer of the unit.
_NO_ANSWER: Final = frozenset({10, 11})

#: A connection is closed where it would be idle for longer: many devices take one at a time, or end
#: one that is idle.
_IDLE_S: Final = 10.0

#: How long a device that does not answer is let alone at most.
_LONGEST_WAIT_S: Final = 300.0


async def connect(endpoint: Endpoint, *, timeout_s: float) -> AsyncModbusTcpClient:
    """Open a connection; ``timeout_s``: how long it, and each answer, may take.

    :raises AwayError: it cannot be made.
    """
    # only where it is used: it takes a fifth of a second to load
    from pymodbus.client import AsyncModbusTcpClient  # noqa: PLC0415
    from pymodbus.framer import FramerType  # noqa: PLC0415

    # what it would say of failures is said by who catches them
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    is_serial = endpoint.transport == "rtu-over-tcp"
    client = AsyncModbusTcpClient(
        endpoint.host,
        port=endpoint.port,
        framer=FramerType.RTU if is_serial else FramerType.SOCKET,
        timeout=timeout_s,
        retries=0,
        reconnect_delay=0,
    )
    try:
        is_connected = await client.connect()
    except (OSError, ValueError) as error:
        raise AwayError(str(error)) from None
    if not is_connected:
        client.close()
        raise AwayError("it takes no connection")
    return client


async def poll(
    client: AsyncModbusTcpClient,
    device: ConnectedDevice,
    plan: Sequence[Request],
    instant: datetime,
) -> bytes:
    """Read a device's registers once; ``instant``: when they are read.

    :raises SilentError: an answer did not come in time, or is none.
    """
    answers = []
    for number, request in enumerate(plan):
        if number:
            await asyncio.sleep(device.part["pause"])
        answers.append(await _answer(client, device, request))
    time = rfc3339(instant, timespec="milliseconds")
    return msgspec.json.encode(Poll(time=time, answers=answers))


async def _answer(
    client: AsyncModbusTcpClient, device: ConnectedDevice, request: Request
) -> Answer:
    from pymodbus.exceptions import ConnectionException, ModbusException  # noqa: PLC0415

    closed = f"it closed the connection when unit {device.part['unit']} was asked"
    if not client.connected:
        raise SilentError(closed, device)
    read: Any = (
        client.read_holding_registers
        if request.function == "holding"
        else client.read_input_registers
    )
    try:
        response = await read(request.address, count=request.count, device_id=device.part["unit"])
    except ConnectionException:
        # of a gateway that does so for one unit, the others are asked on the next connection
        raise SilentError(closed, device) from None
    except ModbusException:
        why = f"no answer came in time from unit {device.part['unit']}"
        raise SilentError(why if client.connected else closed, device) from None
    if response.isError():
        code = response.exception_code
        if code in _NO_ANSWER:
            raise SilentError(exception_text(request.address, code), device)
        metrics.ingest_fetch_failures.labels("modbus", "exception").inc()
        return Answer(request.function, request.address, count=request.count, exception=code)
    if len(response.registers) != request.count:
        mistake = f"{len(response.registers)} registers came where {request.count} were asked for"
        raise SilentError(mistake, device)
    digits = "".join(f"{register:04x}" for register in response.registers)
    return Answer(request.function, request.address, registers=digits)


class Rounds:
    """When which device of a connection is to be read; survives connections."""

    def __init__(self, devices: Sequence[ConnectedDevice], now: datetime) -> None:
        self._plans = {device.name: requests(device.channels) for device in devices}
        self._waits = {
            device.name: Backoff(
                shortest_s=device.part["every"],
                longest_s=max(device.part["every"], _LONGEST_WAIT_S),
            )
            for device in devices
        }
        self._devices = devices
        # at once, so that a device that was just written down is seen
        self._due = {device.name: now.timestamp() for device in devices}

    @property
    def timeout_s(self) -> float:
        """How long an answer may take."""
        return max(float(device.part["timeout"]) for device in self._devices)

    @property
    def next_device(self) -> ConnectedDevice:
        """Whose turn it is."""
        return min(self._devices, key=lambda device: self._due[device.name])

    def wait_s(self, device: ConnectedDevice, now: datetime) -> float:
        """Return the seconds until its turn."""
        return max(0.0, self._due[device.name] - now.timestamp())

    def plan(self, device: ConnectedDevice) -> Sequence[Request]:
        """Return what is read of it."""
        return self._plans[device.name]

    def answered(self, device: ConnectedDevice, now: datetime) -> None:
        """Let its turn come when a multiple of its interval has passed since midnight, UTC."""
        self._waits[device.name].reset()
        every_s: float = device.part["every"]
        self._due[device.name] = (now.timestamp() // every_s + 1) * every_s

    def silent(self, device: ConnectedDevice, now: datetime) -> None:
        """Let it alone for a while, longer each time: its silence costs the others their turns."""
        self._due[device.name] = now.timestamp() + self._waits[device.name].next_s()


async def read_on(
    endpoint: Endpoint, rounds: Rounds, outlet: Outlet, answered: Callable[[], None]
) -> None:
    """Read devices in turn, until none is due for a while; raises as :func:`poll`.

    After an answer that did not come the connection ends: a late one must not be taken for the
    next.
    """
    device = rounds.next_device
    await asyncio.sleep(rounds.wait_s(device, outlet.utc()))
    client = await connect(endpoint, timeout_s=rounds.timeout_s)
    was_asked = False
    try:
        while (wait_s := rounds.wait_s(device, outlet.utc())) <= _IDLE_S:
            await asyncio.sleep(wait_s)
            if was_asked and not client.connected:
                # it ends connections that are idle, sooner than others
                return
            was_asked = True
            began_at = outlet.utc()
            payload = await poll(client, device, rounds.plan(device), began_at)
            rounds.answered(device, began_at)
            answered()
            metrics.ingest_fetched_messages.labels("modbus").inc()
            await outlet.hand(device, payload)
            device = rounds.next_device
    except SilentError as error:
        if error.device is not None:
            rounds.silent(error.device, outlet.utc())
        raise
    finally:
        client.close()
