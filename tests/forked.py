"""Processes of tonne, started by a fork of one that has loaded it: real ones, of their own.

For tests of what a process does, not of how it comes to be: those of the local stack and others
start the program itself.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_PROGRAM = "from tests.forker import main; main()"
_NUMBER = struct.calcsize("i")


class Forked:
    """A running ``tonne WORDS``, to be used as a ``subprocess.Popen``. It dies with the tests."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdout: int,
        stderr: int | None = None,
    ) -> None:
        """Start it with this environment and no other; ``stderr``: ``stdout`` too if None."""
        self.args = ["tonne", *words]
        self.returncode: int | None = None
        self._answer, answer = os.pipe()
        request = json.dumps({"words": list(words), "environment": dict(environment)})
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a file handle is what is needed
            _forker.ask(
                request.encode(),
                [answer, nothing.fileno(), stdout, stdout if stderr is None else stderr],
            )
        os.close(answer)
        self.pid: int = self._read()

    def poll(self) -> int | None:
        """Return how it ended, as ``Popen`` does; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        ended = self._ended(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return ended

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            # it may have ended while word of its end is on its way here
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop in order."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._answer], [], [], timeout)[0]:
            self.returncode = self._read()
            os.close(self._answer)
        return self.returncode

    def _read(self) -> int:
        (number,) = struct.unpack("i", os.read(self._answer, _NUMBER))
        return int(number)


class _Forker:
    """The process that forks, started with the first request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None

    def ask(self, request: bytes, handles: list[int]) -> None:
        with self._lock:
            if self._requests is None:
                self._requests = self._started()
            socket.send_fds(self._requests, [request], handles)

    @staticmethod
    def _started() -> socket.socket:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(there.fileno())],
                pass_fds=[there.fileno()],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

        def end() -> None:
            here.close()
            process.wait()

        atexit.register(end)
        return here


_forker = _Forker()
