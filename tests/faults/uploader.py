"""A client that uploads files, as the screen does, and goes on with what was cut off."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx

from tests.faults.books import Books, Entry
from tests.faults.door_world import DoorWorld
from tests.faults.facility import FACILITY
from tests.faults.files import history
from tests.faults.nemesis import Fault
from tests.faults.senders import IMPATIENCE_S, PAUSE_S, Sender, line_faults
from tests.patience import PATIENCE_S

_IMPORTS: Final = f"/v1/facilities/{FACILITY}/imports"

#: States that a run has come to its end with.
_UNDER_WAY: Final = {"checking", "taking"}


class UploadSender(Sender):
    """``/v1/facilities/{facility}/imports``: a file that is taken has been stored.

    Bytes that were acknowledged must still be there when the client asks where to go on.
    """

    name = "upload"

    def __init__(self, world: DoorWorld, books: Books) -> None:
        super().__init__(world, books)
        self.own_faults = (
            Fault(name="kill -9 of what reads the file", strike=lambda _world: self._kill_reader()),
            *line_faults("client to api", lambda: world.to_api),
        )

    def send(self, entries: Sequence[Entry], dice: random.Random) -> None:
        at = 0
        with httpx.Client(timeout=IMPATIENCE_S, headers={"X-Tonne-Request": "1"}) as client:
            while at < len(entries):
                part = entries[at : at + dice.randint(60, 200)]
                at += len(part)
                ending, content = history(part, dice)
                self._upload(client, f"{part[0].device}-{part[0].ts_ms}{ending}", content, dice)
                for entry in part:
                    self.books.acknowledged(entry)

    def _upload(self, client: httpx.Client, name: str, content: bytes, dice: random.Random) -> None:
        address = f"{_IMPORTS}/{self._begun(client, name, len(content))}"
        received = 0
        while received < len(content):
            # parts overlap, as those of a client that does not know what was received
            offset = max(0, received - dice.randrange(200))
            body = content[offset : received + dice.randint(500, 4000)]
            answer = self._asked(
                client, "PUT", f"{address}/content?offset={offset}", content=body
            ) or self._asked(client, "GET", address, until_answered=True)
            if answer["received"] < received:
                self.complaints.append(f"{received - answer['received']} bytes of {name} are lost")
            received = answer["received"]
        if dice.random() < 0.3:
            self._read(client, address, "check", "checked")
        report = self._read(client, address, "take", "taken")["report"]
        if report["refused"] or report["stored"] + report["duplicates"] != report["read"]:
            self.complaints.append(f"{name}: {report}")

    def _begun(self, client: httpx.Client, name: str, size: int) -> str:
        """Begin an upload; one whose answer was lost is gone on with."""
        while True:
            known: Any = self._asked(client, "GET", _IMPORTS, until_answered=True)
            for upload in known:
                if upload["name"] == name:
                    return str(upload["id"])
            begun = self._asked(client, "POST", _IMPORTS, json={"name": name, "bytes": size})
            if begun is not None:
                return str(begun["id"])

    def _read(self, client: httpx.Client, address: str, run: str, wanted: str) -> dict[str, Any]:
        """Let the file be read until that has come to its end; what is cut off is begun again."""
        deadline = time.monotonic() + 2 * PATIENCE_S
        while time.monotonic() < deadline:
            state = self._asked(client, "GET", address, until_answered=True)
            assert state is not None
            if state["state"] in {wanted, "taken"}:
                return state
            if state["state"] not in _UNDER_WAY:
                self._asked(client, "POST", f"{address}/{run}", json={})
            time.sleep(PAUSE_S)
        raise AssertionError(f"the file is {state['state']}: {state['error']}")

    def _asked(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        *,
        until_answered: bool = False,
        **body: Any,
    ) -> dict[str, Any] | None:
        """Ask; None: no answer came, or one that says later."""
        deadline = time.monotonic() + 2 * PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                answer = client.request(method, f"{self.world.api_url}{path}", **body)
                if answer.is_success:
                    return dict(answer.json()) if method != "GET" else answer.json()
                if answer.status_code < 500 and answer.status_code not in {409, 429}:
                    raise AssertionError(answer.text)
            if not until_answered:
                return None
            time.sleep(PAUSE_S)
        raise AssertionError(f"no answer to {method} {path}")

    def _kill_reader(self) -> None:
        for pid in _children(self.world.ingest.pid):
            with suppress(OSError):
                if b"uploads.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """Processes that a process started, of whichever thread."""
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children += map(int, path.read_text().split())
    return children
