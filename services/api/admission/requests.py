"""Admission of a request: its budget, its turn and its time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.admission import spending
from services.api.admission.gate import PROMETHEUS, Gate
from services.api.admission.spending import Spending
from services.api.http.problems import Problem, TooSlow

log = structlog.get_logger()

#: Health checks are counted apart, so that a busy client cannot make them fail.
_HEALTH: Final = frozenset({"/healthz", "/readyz", "/metrics"})
#: Calls that read the database are below these paths.
_READING: Final = ("/v1/", PROMETHEUS)
#: An answer of more rows stays in memory until it is fetched, and keeps its place as long.
_LARGE_ROWS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long an answer may take, in seconds."""

    begins_within_s: float
    fetched_within_s: float


class Admission:
    """Admit requests as the gate's budgets allow."""

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cost = Spending()
        spending.current.set(cost)
        asker = self._gate.asker(scope)
        try:
            self._gate.ask(f"{asker}, health" if scope["path"] in _HEALTH else asker)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            for call in cost.at_end:
                call()


class InTurn:
    """Make requests that read the database wait for their turn, and end them in time.

    A place is held until the answer begins, because the database is done by then; for a large
    answer until it was fetched. A client that hangs up before frees its place at once.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, patience: Patience) -> None:
        self._app = app
        self._gate = gate
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(_READING):
            await self._app(scope, receive, send)
            return
        try:
            await self._serve(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        asker = self._gate.asker(scope)
        cost = spending.current.get() or Spending()
        client = _Client(receive)
        try:
            async with asyncio.timeout(None) as deadline, AsyncExitStack() as place:
                answer = _Answer(self._patience, deadline, place)
                client.watch(answer.give_up)
                # the queue has a limit of its own
                await place.enter_async_context(self._gate.turns.place(asker, _kind(scope)))
                answer.expect(self._patience.begins_within_s)
                cost.leave = place.aclose

                async def sent(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        # by now a key that came for the first time was found right
                        self._gate.answered(self._gate.asker(scope), cost.rows)
                        await answer.begin(message, is_large=cost.rows > _LARGE_ROWS)
                    await send(message)

                await self._app(scope, client.receive, sent)
        except TimeoutError:
            if not deadline.expired():
                raise
            if answer.is_unwanted:
                return
            if answer.has_begun:
                log.warning("answer_not_fetched", path=scope["path"], rows=cost.rows)
            else:
                raise TooSlow from None
        finally:
            client.leave()


class _Answer:
    """The state of an answer, and its deadline."""

    def __init__(
        self, patience: Patience, deadline: asyncio.Timeout, place: AsyncExitStack
    ) -> None:
        self._patience = patience
        self._deadline = deadline
        self._place = place
        self.has_begun = False
        #: the client hung up before it began
        self.is_unwanted = False

    def expect(self, within_s: float | None) -> None:
        """Set its time limit from now on; None: no limit."""
        if not self.is_unwanted:
            now_s = asyncio.get_running_loop().time()
            self._deadline.reschedule(None if within_s is None else now_s + within_s)

    def give_up(self) -> None:
        """Stop an answer that nobody waits for; one that has begun ends by itself."""
        if not self.has_begun:
            self.expect(0.0)
            self.is_unwanted = True

    async def begin(self, message: Message, *, is_large: bool) -> None:
        """Free the place, because the database is done, unless a large answer is in memory."""
        self.has_begun = True
        self.expect(None if _is_stream(message) else self._patience.fetched_within_s)
        if not is_large:
            await self._place.aclose()


class _Client:
    """A client whose request has arrived; it sends nothing more until it hangs up."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._has_gone = False
        self._listening: asyncio.Task[None] | None = None

    def watch(self, hung_up: Callable[[], None]) -> None:
        """Listen, and call ``hung_up`` when the client has gone."""
        self._listening = asyncio.create_task(self._listen(hung_up))

    def leave(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()

    async def receive(self) -> Message:
        """Return the next message, as the application expects it."""
        if self._has_gone and self._messages.empty():
            return {"type": "http.disconnect"}
        return await self._messages.get()

    async def _listen(self, hung_up: Callable[[], None]) -> None:
        while not self._has_gone:
            message = await self._receive()
            self._has_gone = message["type"] == "http.disconnect"
            self._messages.put_nowait(message)
        hung_up()


def _is_stream(message: Message) -> bool:
    kind = next((value for name, value in message["headers"] if name == b"content-type"), b"")
    return bytes(kind).startswith(b"text/event-stream")


def _kind(scope: Scope) -> str:
    """Name the kind of call, by the first two parts of its path."""
    return "/".join(scope["path"].split("/", 3)[:3])
