"""The thread of a door at which others come in, with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from services.core.runtime import tasks

_log: Final = structlog.get_logger()

_Listener = TypeVar("_Listener")

#: How long a process that cannot listen waits before it tries again.
_LOOK_S: Final = 2.0


class DoorThread(ABC):
    """Listens from :meth:`start` until :meth:`close`, beside the pipeline's thread."""

    #: what is logged where a bug ends it, and while it cannot listen
    failed: str
    away: str

    def __init__(self, name: str) -> None:
        self._closing = False
        #: None: it does not listen yet
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        # in a copy of this context, so that its log lines name the process too
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name=name, daemon=True
        )

    def start(self) -> None:
        """Begin to listen; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Send what answers are left, and listen no more."""
        self._closing = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended.set)
        if self._thread.ident is not None:
            self._thread.join()

    @abstractmethod
    async def serve(self) -> None:
        """Listen and answer until :attr:`_ended` is set."""

    def _run(self) -> None:
        try:
            asyncio.run(self._served())
        except Exception:  # noqa: BLE001 - a bug here must not end what comes by the broker
            # who sends by it hears no answer, and keeps what it has
            _log.exception(self.failed)

    async def _served(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self._closing:
            await self.serve()

    async def _listened(
        self, listen: Callable[[], Awaitable[_Listener]], **where: object
    ) -> _Listener | None:
        """Listen, as soon as no other process does; None: it is closed before.

        ``where``: what the log says of the place. ``listen`` raises OSError where another does.
        """
        is_logged = False
        while not self._closing:
            try:
                return await listen()
            except OSError as error:
                if not is_logged:
                    is_logged = True
                    _log.warning(self.away, **where, reason=error.strerror or str(error))
            await tasks.happens(self._ended, _LOOK_S)
        return None
