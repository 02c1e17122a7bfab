"""Those who send by other ways than a gateway at the broker, and book what was acknowledged.

Each sends a round's messages once, patiently: what it has no answer for it sends again, as its way
in says that it may. ``SENDERS`` has one for each way in; see
``deploy/docs/contribute/ways-in.md``.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import httpx

from tests.faults.bodies import written
from tests.faults.books import Books, Entry
from tests.faults.door_world import DoorWorld
from tests.faults.facility import entries
from tests.faults.files import commands
from tests.faults.nemesis import Fault
from tests.faults.proxy import Proxy
from tests.forked import Forked
from tests.patience import PATIENCE_S

#: A client that hears nothing for so long asks again.
IMPATIENCE_S = 10.0
PAUSE_S = 0.1


def line_faults(name: str, pick: Callable[[], Proxy]) -> tuple[Fault, Fault]:
    """The faults of a connection that a sender uses."""
    return (
        Fault(name=f"cut {name}", strike=lambda _world: pick().cut()),
        Fault(name=f"stall {name}", strike=lambda _world: pick().stall()),
    )


class Sender:
    """Sends a round's messages on a thread of its own."""

    name: str
    #: what goes wrong with it alone
    own_faults: tuple[Fault, ...] = ()
    #: makes a round's messages
    entries: Callable[[int, int, random.Random], Iterator[Entry]] = staticmethod(entries)

    def __init__(self, world: DoorWorld, books: Books) -> None:
        self.world = world
        self.books = books
        self._thread: threading.Thread | None = None
        #: what it was told that it never should be
        self.complaints: list[str] = []

    def prepare(self, entries: Sequence[Entry]) -> None:
        """Do what belongs before the faults."""

    def begin(self, entries: Sequence[Entry], dice: random.Random) -> None:
        """Begin to send; returns at once."""
        self._thread = threading.Thread(target=self._run, args=(entries, dice), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Do what belongs after everything was healed."""

    @property
    def done(self) -> bool:
        """Whether everything was sent and acknowledged."""
        return self._thread is not None and not self._thread.is_alive()

    def send(self, entries: Sequence[Entry], dice: random.Random) -> None:
        """Send all of them, and book what is acknowledged."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what it holds."""

    def _run(self, entries: Sequence[Entry], dice: random.Random) -> None:
        try:
            self.send(entries, dice)
        except Exception as error:  # noqa: BLE001 - told with the round
            self.complaints.append(repr(error))


class HttpSender(Sender):
    """``POST /v1/readings`` in every form, with a key and without, plain and gzip."""

    name = "http"

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self.own_faults = line_faults("client to api", lambda: world.to_api)

    def send(self, entries: Sequence[Entry], dice: random.Random) -> None:
        at = 0
        with httpx.Client(timeout=IMPATIENCE_S) as client:
            while at < len(entries):
                batch = entries[at : at + dice.randint(1, 40)]
                at += len(batch)
                headers, body = written(batch, dice)
                if dice.random() < 0.5:
                    headers["Idempotency-Key"] = f"{batch[0].device}-{batch[0].ts_ms}-{len(batch)}"
                self._post(client, headers, body)
                for entry in batch:
                    self.books.acknowledged(entry)

    def _post(self, client: httpx.Client, headers: dict[str, str], body: bytes) -> None:
        """Send until it is acknowledged: 200, and after COMMIT."""
        deadline = time.monotonic() + 2 * PATIENCE_S
        while time.monotonic() < deadline:
            try:
                answer = client.post(
                    f"{self.world.api_url}/v1/readings?precision=ms", content=body, headers=headers
                )
            except httpx.TransportError:
                time.sleep(PAUSE_S)
                continue
            if answer.status_code == 200:
                return
            if answer.status_code < 500 and answer.status_code not in {409, 429}:
                raise AssertionError(answer.text)
            time.sleep(PAUSE_S)
        raise AssertionError("no acknowledgement by HTTP")


class FileSender(Sender):
    """``tonne import`` and ``tonne backfill``: a command that ended well has stored its file."""

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self._command: Forked | None = None
        self.own_faults = (Fault(name=f"kill -9 {self.name}", strike=lambda _world: self._kill()),)
        self._folder = world.directory / self.name
        self._folder.mkdir()

    def send(self, entries: Sequence[Entry], dice: random.Random) -> None:
        at = 0
        while at < len(entries):
            part = entries[at : at + dice.randint(60, 200)]
            at += len(part)
            words = commands(self._folder, self.name, part, dice)
            self._until_stored(words)
            for entry in part:
                self.books.acknowledged(entry)

    def _kill(self) -> None:
        command = self._command
        if command is not None:
            command.kill()

    def _until_stored(self, words: Sequence[str]) -> None:
        deadline = time.monotonic() + 2 * PATIENCE_S
        log = self._folder / "log"
        while time.monotonic() < deadline:
            with log.open("ab") as out:
                self._command = Forked(
                    words,
                    environment={**os.environ, "TONNE_DATABASE_URL": self.world.postgres.url},
                    stdout=out.fileno(),
                )
                code = self._command.wait(PATIENCE_S)
            if code == 0:
                return
            time.sleep(PAUSE_S)
        raise AssertionError(log.read_text(errors="replace")[-2000:])


class ImportSender(FileSender):
    """Files of history."""

    name = "import"


class BackfillSender(FileSender):
    """An export of another database."""

    name = "backfill"
