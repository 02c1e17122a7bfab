"""Somebody who watches the works at one API all the time, and connects again when that ends."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import Final

import httpx

#: A stream that says nothing for so long has ended: the API sends a sign of life more often.
_SILENT_S: Final = 20.0
_AGAIN_S: Final = 0.5


class Watcher:
    """The stream of one API, read on a thread of its own."""

    def __init__(self, url: str, key: str, facility: str) -> None:
        self._url = f"{url}/v1/stream?facility={facility}"
        self._key = key
        self._stopping = threading.Event()
        #: this year's kg CO2 as the newest event said; None: none has come on this connection
        self.kg: float | None = None
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer; a thread that waits for an event ends with the process."""
        self._stopping.set()

    def _run(self) -> None:
        timeout = httpx.Timeout(5.0, read=_SILENT_S)
        headers = {"Authorization": f"Bearer {self._key}"}
        with httpx.Client(timeout=timeout, trust_env=False, headers=headers) as client:
            while not self._stopping.wait(_AGAIN_S):
                with suppress(httpx.HTTPError), client.stream("GET", self._url) as stream:
                    if stream.status_code == httpx.codes.OK:
                        self.connections += 1
                        self._read(stream)
                self.kg = None

    def _read(self, stream: httpx.Response) -> None:
        event = ""
        for line in stream.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                event = value
            elif field == "data" and event == "live":
                self.kg = float(json.loads(value)["totals"]["year"]["co2_kg"] or 0)
            if self._stopping.is_set():
                return
