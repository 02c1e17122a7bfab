"""Somebody who asks one API and then the other, all the time: what he sees never goes back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import httpx

_ANSWER_S: Final = 5.0
_PAUSE_S: Final = 0.05


class Reader:
    """Asks APIs in turn when each device was heard of last, which only rises."""

    def __init__(self, urls: Sequence[str], key: str, facility: str) -> None:
        self._urls = urls
        self._path = f"/v1/devices?facility={facility}"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._stopping = threading.Event()
        #: what was seen twice, the second time as it was before
        self.went_back: list[str] = []
        #: how many answers had which status
        self.answers: Counter[int] = Counter()
        self._newest: dict[str, datetime] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._stopping.set()
        self._thread.join(2 * _ANSWER_S)

    def taken(self) -> list[str]:
        """Return what went back since this was asked last."""
        taken, self.went_back = self.went_back, []
        return taken

    def _run(self) -> None:
        with httpx.Client(timeout=_ANSWER_S, trust_env=False, headers=self._headers) as client:
            turn = 0
            while not self._stopping.wait(_PAUSE_S):
                url = self._urls[turn % len(self._urls)]
                turn += 1
                try:
                    answer = client.get(url + self._path)
                except httpx.HTTPError:
                    # it is killed, or nobody reaches it
                    self.answers[0] += 1
                    continue
                self.answers[answer.status_code] += 1
                if answer.status_code == httpx.codes.OK:
                    self._compare(url, answer)

    def _compare(self, url: str, answer: httpx.Response) -> None:
        for device in answer.json():
            if device["last_seen"] is None:
                continue
            name, seen = device["device"], datetime.fromisoformat(device["last_seen"])
            before = self._newest.get(name, datetime.min.replace(tzinfo=UTC))
            if seen < before:
                self.went_back.append(f"{url} shows {name} at {seen}, {before} was shown before")
            self._newest[name] = max(seen, before)
