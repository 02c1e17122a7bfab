"""Devices that ingest connects to: a P1 port that speaks by itself, and registers that are asked.

Nobody acknowledges. What was seen to be stored must stay, once; what came while tonne was away is
lost, and the register's next value counts it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Final

import psycopg
from pymodbus.constants import ExcCodes

from tests.faults.books import Books, Entry
from tests.faults.door_world import DoorWorld
from tests.faults.facility import MODBUS_METER, P1_METER, meter_entries
from tests.faults.proxy import Proxy
from tests.faults.senders import Sender, line_faults
from tests.modbus_device import modbus_server
from tests.patience import until
from tests.telegrams import port, telegram

_STORED: Final = """
SELECT (extract(epoch FROM r.ts) * 1000)::int8, r.value
FROM reading r JOIN channel c ON c.id = r.channel_id JOIN device d ON d.id = c.device_id
WHERE d.slug = %s AND r.value > %s ORDER BY r.ts
"""

#: Telegrams that a meter has left to send after everything was healed.
_LAST: Final = 10

_TELLS_EVERY_S: Final = 0.01
_LOOKS_EVERY_S: Final = 0.25


class FetchedSender(Sender):
    """A register behind a port that ingest connects to; each round at a port of its own."""

    device: str

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self._proxy: Proxy | None = None
        self.own_faults = line_faults(f"ingest to {self.device}", lambda: self._line)
        #: the last value of the rounds before
        self._before = -1.0
        self._round = ExitStack()

    @property
    def _line(self) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    def place(self, number: int) -> None:
        """Let ingest connect to a port of this machine."""
        self._proxy = self._round.enter_context(self.world.proxied(number))
        self.world.place(self.device, self._proxy.port)

    def close(self) -> None:
        stored = self.books.readings[f"{self.device}.energy"]
        self._before = max(stored.values(), default=self._before)
        self._round.close()

    def booked(self) -> float:
        """Book what is stored, and has to stay from now on; return the newest value."""
        series = self.books.readings[f"{self.device}.energy"]
        newest = self._before
        with self.world.connect() as connection:
            for ts_ms, value in connection.execute(_STORED, (self.device, self._before)):
                newest = float(str(value))
                if not self.was_told(int(str(ts_ms)), newest):
                    self.complaints.append(f"{newest} at {ts_ms} was never told")
                series[int(str(ts_ms))] = newest
        return newest

    def was_told(self, ts_ms: int, value: float) -> bool:
        """Whether the device has told a value, and of that time."""
        raise NotImplementedError

    def look(self) -> None:
        """Book what is stored, if the database can be asked now."""
        with suppress(psycopg.OperationalError):
            self.booked()


class MeterSender(FetchedSender):
    """A P1 port: telegrams come whether somebody hears them or not."""

    name = "p1"
    device = P1_METER
    entries = staticmethod(meter_entries)

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self._news = threading.Condition()
        self._told: list[bytes] = []
        self._values: dict[int, float] = {}
        self._last: Sequence[Entry] = ()
        self._is_over = False

    def prepare(self, entries: Sequence[Entry]) -> None:
        self._is_over = False
        number, _ = self._round.enter_context(port(self._speak))
        self._round.callback(self._end)
        self.place(number)
        self._until_stored(entries[0])
        self._last = entries[-_LAST:]

    def send(self, entries: Sequence[Entry], _dice: random.Random) -> None:
        looks_at = 0.0
        for entry in entries[1:-_LAST]:
            self._tell(entry)
            if time.monotonic() > looks_at:
                self.look()
                looks_at = time.monotonic() + _LOOKS_EVERY_S
            time.sleep(_TELLS_EVERY_S)

    def finish(self) -> None:
        assert self._thread is not None
        self._thread.join()
        for entry in self._last:
            self._tell(entry)
        self._until_stored(self._last[-1])

    def was_told(self, ts_ms: int, value: float) -> bool:
        return self._values.get(ts_ms) == value

    def _until_stored(self, entry: Entry) -> None:
        """Tell the same until it is stored: a telegram that comes twice counts once."""

        def is_stored() -> bool:
            self._tell(entry)
            return self.booked() == entry.values["energy"]

        until(is_stored, "the telegram is stored")

    def _tell(self, entry: Entry) -> None:
        value = entry.values["energy"]
        at = datetime.fromtimestamp(entry.ts_ms / 1000, UTC)
        line = f"1-0:1.8.1({value:010.3f}*kWh)"
        self._values[entry.ts_ms] = value
        self.books.told(entry)
        with self._news:
            self._told.append(telegram(f"0-0:1.0.0({at:%y%m%d%H%M%S}W)", line))
            self._news.notify_all()

    def _speak(self, send: Callable[[bytes], None]) -> None:
        """Be one connection: it hears what is told from now on."""
        heard = len(self._told)
        while True:
            with self._news:
                while not self._is_over and len(self._told) <= heard:
                    self._news.wait()
                telegrams, heard = self._told[heard:], len(self._told)
            if self._is_over:
                return
            for one in telegrams:
                send(one)

    def _end(self) -> None:
        with self._news:
            self._is_over = True
            self._news.notify_all()


class RegisterSender(FetchedSender):
    """A Modbus device: its register is another one whenever it is read."""

    name = "modbus"
    device = MODBUS_METER

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self._answered = 0
        self._is_over = False
        self._asked = threading.Lock()

    def prepare(self, _entries: Sequence[Entry]) -> None:
        self._is_over = False
        self.place(self._round.enter_context(modbus_server(self._answer))[0])
        self._until_more()

    def send(self, _entries: Sequence[Entry], _dice: random.Random) -> None:
        self.look()

    def finish(self) -> None:
        assert self._thread is not None
        self._thread.join()
        self._until_more()
        with self._asked:
            self._is_over = True
        until(lambda: self.booked() == self._answered, "the last answer is stored")

    def was_told(self, ts_ms: int, value: float) -> bool:
        """Whether it was answered, and is stored of one time only."""
        series = self.books.readings[f"{self.device}.energy"]
        is_first = all(value != other for at, other in series.items() if at != ts_ms)
        return value <= self._answered and is_first

    def _until_more(self) -> None:
        """Wait until an answer is stored that was given from now on."""
        given = self._answered
        until(lambda: self.booked() > given, "an answer is stored")

    async def _answer(
        self,
        _function_code: int,
        _start_address: int,
        _address: int,
        _count: int,
        registers: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        with self._asked:
            if self._is_over:
                return ExcCodes.GATEWAY_NO_RESPONSE
            self._answered += 1
            registers[:2] = divmod(self._answered, 1 << 16)
            return None
