"""SIGTERM and SIGINT ask a process to finish what it has in hand and leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether this process was asked to stop; wait on it instead of sleeping."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> None:
        """Take over SIGTERM and SIGINT; main thread only. A second signal ends the process."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take them over for a while, for a command that is part of a process."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.request()
        signal.signal(number, signal.SIG_DFL)

    def request(self) -> None:
        """Ask for the stop."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Block until a stop is asked for, at most ``timeout_s``; return whether it was."""
        return self._event.wait(timeout_s)
