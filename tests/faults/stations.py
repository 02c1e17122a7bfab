"""A station that speaks HJ 212 by TCP, and sends again what it heard no answer to."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sensors_sim.hj212 import DataLogger
from tests.data_logger import Line
from tests.faults.books import Books, Entry
from tests.faults.door_world import DoorWorld
from tests.faults.facility import STATION_MN, station_entries
from tests.faults.senders import IMPATIENCE_S, PAUSE_S, Sender, line_faults
from tests.patience import PATIENCE_S


class StationSender(Sender):
    """What is answered (9014) is stored."""

    name = "hj212"
    entries = staticmethod(station_entries)

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self.own_faults = line_faults("station to ingest", lambda: world.to_hj212)
        self._logger = DataLogger(mn=STATION_MN)

    def send(self, entries: Sequence[Entry], dice: random.Random) -> None:
        deadline = time.monotonic() + 2 * PATIENCE_S
        waiting: dict[str, Entry] = {}
        unsent = list(reversed(entries))
        while (unsent or waiting) and time.monotonic() < deadline:
            try:
                with Line(self.world.to_hj212.port, self._logger) as line:
                    line.resend()
                    self._hear(line, waiting)
                    while unsent:
                        for _ in range(min(len(unsent), dice.randint(1, 20))):
                            line.send(self._measured(unsent.pop(), waiting))
                        if dice.random() < 0.1:
                            # it hears no answer, and sends all of it again
                            break
                        self._hear(line, waiting)
            except OSError:
                time.sleep(PAUSE_S)
        if waiting:
            raise AssertionError(f"{len(waiting)} frames were not answered")

    def _measured(self, entry: Entry, waiting: dict[str, Entry]) -> bytes:
        """Return the frame of an entry, which is there to be answered by its number."""
        at = datetime.fromtimestamp(entry.ts_ms / 1000, UTC)
        factors = {"a01001": {"Rtd": str(entry.values["power"]), "Flag": "N"}}
        frame = self._logger.measure(at, factors)
        waiting[next(reversed(self._logger.unanswered))] = entry
        return frame

    def _hear(self, line: Line, waiting: dict[str, Entry]) -> None:
        """Hear answers until all is answered, and book what is."""
        while self._logger.unanswered:
            is_there = line.turn(IMPATIENCE_S)
            for number in waiting.keys() - self._logger.unanswered.keys():
                self.books.acknowledged(waiting.pop(number))
            if not is_there:
                raise ConnectionError
