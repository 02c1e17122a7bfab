"""The door: a Unix socket on an event loop of its own, and the requests that wait for the pipeline.

What waits in memory is bounded: beyond it the door says that it is busy, and while nobody asks for
messages, because the database is away, that nothing can be stored. A request whose client has gone
is dropped as long as none of it was handed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from services.core.runtime import metrics
from services.core.runtime.clock import MACHINE, Clock
from services.core.runtime.reading_door import (
    LONGEST_PATH,
    Answer,
    Head,
    MappingTrial,
    Question,
    Verdicts,
    answer_bytes,
    read_question,
)
from services.core.runtime.stated_activities import StatedActivities, WithdrawnActivity
from services.core.runtime.stated_readings import StatedReadings
from services.core.runtime.uploads import UploadAsk
from services.ingest.bodies import body
from services.ingest.bodies.records import Records, TooLargeBodyError, UnusableBodyError
from services.ingest.sources.door_thread import DoorThread
from services.ingest.sources.http.request import DoorToken, Request, request
from services.ingest.sources.source import Message

_log: Final = structlog.get_logger()

#: What may wait for the pipeline, and what it is handed at once; a single body may be larger.
_WAITING_BYTES: Final = 64 << 20
_BATCH_BYTES: Final = 1 << 19

#: While nobody has asked for messages for so long, nothing can be stored.
_SILENT_S: Final = 5.0

#: How long a client may take to send the rest of what is not taken.
_DISCARD_S: Final = 5.0

#: How long the answers to what is durable may take to be sent at the end.
_LAST_ANSWERS_S: Final = 2.0

_BUSY: Final = "ingest has too much in hand"
_SILENT: Final = "ingest cannot write to its database at present"


#: How metrics call what is asked beside readings.
_ERRANDS: Final[dict[type, str]] = {
    MappingTrial: "mapping-trial",
    StatedReadings: "corrections",
    StatedActivities: "activities",
    WithdrawnActivity: "withdrawal",
    UploadAsk: "upload",
}

#: Answers what is asked with a body that holds no readings of devices.
Errands = Callable[[Head, bytes], Answer]


class DoorUnusableError(ValueError):
    """No socket can be made where the settings say."""


class HttpDoor(DoorThread):
    """Takes bodies from the API, and answers when all that they hold is durable."""

    failed = "the door for readings by HTTP has failed"
    away = "readings cannot come by HTTP yet"
    is_bulk = True

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        nudge: Callable[[], None],
        errands: Errands,
        clock: Clock = MACHINE,
    ) -> None:
        """``max_bytes``: of a body, unpacked; ``nudge``: wakes the pipeline.

        ``errands``: does what is asked beside readings, on a thread of its own. ``clock``: the time
        at which readings arrive.

        :raises DoorUnusableError: the path is too long for a socket, or its folder is none.
        """
        if len(str(path).encode()) > LONGEST_PATH:
            raise DoorUnusableError(
                f"TONNE_READINGS_SOCKET: {path} is longer than the {LONGEST_PATH} bytes that the"
                " address of a socket may have; choose a shorter one"
            )
        if not path.parent.is_dir():
            raise DoorUnusableError(
                f"TONNE_READINGS_SOCKET: there is no folder {path.parent}; make it, or choose"
                " another path"
            )
        super().__init__("http")
        self._path = path
        self._max_bytes = max_bytes
        self._nudge = nudge
        self._errands = errands
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._waiting_bytes = 0
        #: of bodies on their way in
        self._reading_bytes = 0
        self._asked_at = time.monotonic()
        #: one at a time
        self._errand = asyncio.Lock()

    # -- the pipeline's side ------------------------------------------------------------------

    def take(self, limit: int) -> list[Message]:
        """Return messages that wait, ``limit`` at most, of each body one after the other.

        So a small body does not wait until all of a large one is durable.
        """
        messages: list[Message] = []
        size = 0
        with self._lock:
            self._asked_at = time.monotonic()
            while self._waiting and len(messages) < limit and size < _BATCH_BYTES:
                first = self._waiting[0]
                if first.is_abandoned and first.is_untouched:
                    self._waiting_bytes -= first.payload_bytes
                    self._waiting.popleft()
                    continue
                message = first.waiting.popleft()
                size += len(message.payload)
                self._waiting_bytes -= len(message.payload)
                messages.append(message)
                if first.waiting:
                    self._waiting.rotate(-1)
                else:
                    self._waiting.popleft()
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        """Note that these are durable; call after COMMIT only."""
        batch = structlog.contextvars.get_contextvars().get("batch")
        for message in messages:
            if isinstance(message.token, DoorToken):
                message.token.request.durable(batch)

    # -- the network thread -------------------------------------------------------------------

    async def serve(self) -> None:
        """Answer who connects, each on a task of its own."""
        listener = await self._listened(self._listener, socket=str(self._path))
        if listener is None:
            return
        tasks: set[asyncio.Task[None]] = set()

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - it runs in one
            tasks.add(task)
            try:
                await self._answer(reader, writer)
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_unix_server(accepted, sock=listener)
        _log.info("readings may come by HTTP", socket=str(self._path))
        try:
            await self._ended.wait()
        finally:
            server.close()
            self._path.unlink(missing_ok=True)
            if tasks:
                # what is durable was answered before; what waits is told that it was not taken
                with self._lock:
                    left, self._waiting = list(self._waiting), deque()
                for one in left:
                    one.is_abandoned = True
                await asyncio.wait(tasks, timeout=_LAST_ANSWERS_S)

    async def _listener(self) -> socket.socket:
        return _listening(self._path)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question; a client that goes away before has no answer."""
        try:
            question = await read_question(reader)
            # this task's own: what is logged of the body names the request that brought it
            structlog.contextvars.bind_contextvars(request=question.request_id)
            answer = self._refusal(question)
            unread = question.body_bytes if answer is not None else 0
            if answer is None:
                try:
                    data = await reader.readexactly(question.body_bytes)
                finally:
                    self._reading_bytes -= question.body_bytes
                if isinstance(question, Question):
                    answer = await self._taken(question, data, reader)
                else:
                    answer = await self._run_errand(question, data)
        except (OSError, EOFError, ValueError):
            return
        metrics.ingest_http_requests.labels(_form(question), answer.outcome).inc()
        _count(question, answer)
        if answer.outcome != "taken":
            _log.warning("not taken", form=_form(question), why=answer.outcome)
        with contextlib.suppress(OSError):
            writer.write(answer_bytes(answer))
            await writer.drain()
            # closed with bytes of the client unread, it could lose the answer
            await _discard(reader, unread)

    async def _run_errand(self, question: Head, data: bytes) -> Answer:
        """Do what is asked beside readings; the pipeline goes on meanwhile."""
        try:
            async with self._errand:
                return await asyncio.to_thread(self._errands, question, data)
        except Exception as error:  # noqa: BLE001 - whatever it is
            _log.exception("what was asked beside readings has failed", form=_form(question))
            return Answer(outcome="failed", detail=f"it failed ({type(error).__name__})")

    def _refusal(self, question: Head) -> Answer | None:
        """Return why a body is not even read."""
        if question.body_bytes > self._max_bytes:
            detail = (
                f"the body has more than {self._max_bytes} bytes; send less at once, or raise"
                " TONNE_READINGS_BODY_BYTES"
            )
            return Answer(outcome="too-large", detail=detail)
        with self._lock:
            if time.monotonic() - self._asked_at > _SILENT_S:
                return Answer(outcome="unable", detail=_SILENT)
            in_hand = self._waiting_bytes + self._reading_bytes
        if in_hand and in_hand + question.body_bytes > _WAITING_BYTES:
            return Answer(outcome="busy", detail=_BUSY)
        self._reading_bytes += question.body_bytes
        return None

    async def _taken(self, question: Question, data: bytes, reader: asyncio.StreamReader) -> Answer:
        """Hand a body to the pipeline and wait until all of it is durable."""
        received_at = self._clock.now()
        loop = asyncio.get_running_loop()
        verdicts: asyncio.Future[Verdicts] = loop.create_future()

        def durable(answer: Verdicts) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, verdicts, answer)

        records = self._read(question, data)
        if isinstance(records, Answer):
            return records
        taken = request(records, received_at, durable)
        if not taken.waiting:
            taken.not_durable = 1
            taken.durable()
            return _with(await verdicts)
        with self._lock:
            self._waiting.append(taken)
            self._waiting_bytes += taken.payload_bytes
        self._nudge()
        gone = asyncio.ensure_future(reader.read(1))
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((verdicts, gone, ended), return_when=asyncio.FIRST_COMPLETED)
            if not verdicts.done() and ended.done():
                # the pipeline has finished what it had in hand, and told it by now
                await asyncio.sleep(0)
            if verdicts.done():
                outcome = verdicts.result()
                _log.info(
                    "readings by HTTP are stored",
                    batches=taken.batches,
                    new=outcome.new,
                    repeated=outcome.repeated,
                    replaced=outcome.replaced,
                    refused=outcome.refused,
                )
                return _with(outcome)
        finally:
            gone.cancel()
            ended.cancel()
            taken.is_abandoned = True
        if ended.done() and taken.is_untouched:
            return Answer(outcome="unable", detail="ingest is being stopped")
        raise EOFError

    def _read(self, question: Question, data: bytes) -> Records | Answer:
        """Read a body; an answer: what it names, or why it cannot be read."""
        try:
            records = body.read(question, data, max_bytes=self._max_bytes)
        except UnusableBodyError as error:
            return Answer(outcome="unusable", detail=str(error))
        except TooLargeBodyError as error:
            return Answer(outcome="too-large", detail=str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is
            # without an answer the same body would come again and again
            _log.exception("a body of readings cannot be read", form=question.form)
            return Answer(
                outcome="failed", detail=f"reading the body failed ({type(error).__name__})"
            )
        if question.names_only:
            return Answer(outcome="taken", named=sorted(records.named))
        return records


async def _discard(reader: asyncio.StreamReader, size: int) -> None:
    """Read what a client still sends of a body that is not taken, for some seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            while size > 0 and (data := await reader.read(1 << 16)):
                size -= len(data)


def _with(verdicts: Verdicts) -> Answer:
    return Answer(outcome="taken", verdicts=verdicts)


def _settle(future: asyncio.Future[Verdicts], verdicts: Verdicts) -> None:
    if not future.done():
        future.set_result(verdicts)


def _form(question: Head) -> str:
    if isinstance(question, Question):
        return "names" if question.names_only else question.form
    return _ERRANDS[type(question)]


def _count(question: Head, answer: Answer) -> None:
    verdicts = answer.verdicts
    if verdicts is not None and isinstance(question, Question):
        for result, number in (
            ("new", verdicts.new),
            ("repeated", verdicts.repeated),
            ("replaced", verdicts.replaced),
            ("refused", verdicts.refused),
        ):
            if number:
                metrics.ingest_http_readings.labels(question.form, result).inc(number)


def _listening(path: Path) -> socket.socket:
    """Listen at a path.

    :raises OSError: another process does, or may not here.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            # what a process that was killed left
            path.unlink(missing_ok=True)
        else:
            raise OSError(0, "another ingest listens there; this one takes over when it ends")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        # who shares the group may speak: the API may run as another user than ingest
        path.chmod(0o660)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener
