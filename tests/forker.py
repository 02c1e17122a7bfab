"""A process that has loaded tonne and forks itself for each command.

Starting Python and loading what a service needs takes most of a second of a processor; a fork takes
a hundredth. It never runs a command itself and has no thread, so each fork begins as a process does
that has loaded the same modules. See :mod:`tests.forked`, which asks for them over a socket.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module

from services import cli

#: Modules that a command loads only when it runs, beside its own.
_SERVICES = {
    "ingest": "services.ingest.app",
    "aggregate": "services.aggregator.app",
    "notify": "services.notify.app",
    "api": "services.api.app",
}
_LARGEST_REQUEST = 1 << 18
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve requests until nobody is there to make one; in a fork, run its command."""
    words = _serve(socket.socket(fileno=int(sys.argv[1])))
    if words is not None:
        sys.argv = ["tonne", *words]
        cli.main()


def _serve(requests: socket.socket) -> list[str] | None:
    """Fork for each request and say how each fork ended; returns words in a fork, else None."""
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not requests:
                    _say_how_it_ended(selector, key)
                    continue
                request, handles, _, _ = socket.recv_fds(requests, _LARGEST_REQUEST, 4)
                if not request:
                    return None
                asked = json.loads(request)
                _load(asked["words"])
                gc.freeze()
                if (pid := os.fork()) == 0:
                    _begin(asked, handles)
                    return list(asked["words"])
                answer, *outputs = handles
                for handle in outputs:
                    os.close(handle)
                os.write(answer, struct.pack("i", pid))
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, answer))


def _say_how_it_ended(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    pid, answer = key.data
    _, status = os.waitpid(pid, 0)
    selector.unregister(key.fileobj)
    os.close(key.fd)
    # nobody may wait for it any more
    with suppress(BrokenPipeError):
        os.write(answer, struct.pack("i", os.waitstatus_to_exitcode(status)))
    os.close(answer)


def _load(words: list[str]) -> None:
    name = next((word for word in words if not word.startswith("-")), "")
    if name in cli.PARTS:
        import_module(cli.PARTS[name].module)
    if name in _SERVICES:
        import_module(_SERVICES[name])


def _begin(asked: dict[str, object], handles: list[int]) -> None:
    """Become the process that was asked for."""
    _, *streams = handles
    for stream, handle in enumerate(streams):
        os.dup2(handle, stream)
    os.closerange(3, 1024)
    os.setsid()
    # a service needs no directory of its own; a path that is relative by mistake shows here
    os.chdir("/")
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    if module := os.environ.pop("TESTS_IMPORT", None):
        # for a process that has to differ from a real one, as its module says
        import_module(module)
