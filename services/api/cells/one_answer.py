"""One cell's answer to a request: passed on, or kept back where another cell has to be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi.responses import Response
from starlette.types import Message, Receive, Send

from services.api.http.problems import DatabaseAway

#: Of a body that may have to be sent again to another cell; a longer one is sent to one.
_MAX_REPEATED_BYTES: Final = 64 << 20
_TAG: Final = b"etag"
_WEAK: Final = b'W/"'


class Repeated:
    """A request's body, which is read once and may be told again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[Message] = []
        self._next = 0
        self._bytes = 0

    async def receive(self) -> Message:
        """Return the next part of the body."""
        if self._next < len(self._messages):
            message = self._messages[self._next]
            self._next += 1
            return message
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            if self._bytes <= _MAX_REPEATED_BYTES:
                self._messages.append(message)
                self._next += 1
        return message

    @property
    def is_whole(self) -> bool:
        """Whether all that was read can be told again."""
        return self._bytes <= _MAX_REPEATED_BYTES

    def rewind(self) -> None:
        """Tell it from the beginning."""
        self._next = 0

    async def all(self) -> bytes:
        """Return the whole body, and tell it from the beginning to who reads it next."""
        parts = []
        while True:
            message = await self.receive()
            parts.append(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        self.rewind()
        return b"".join(parts)


class NotPassedOnError(Exception):
    """The answer has been dropped: its facility left while it was made."""


class OneAnswer:
    """Passes an answer on as it comes, unless another cell may have to give it.

    That is 404, a database that does not answer, and what ``stands`` refuses.
    """

    def __init__(self, send: Send, *, cell: str, tag_suffix: bytes) -> None:
        self._send = send
        self._cell = cell.encode()
        self._suffix = tag_suffix
        self._held_back: list[Message] = []
        self._stands: Callable[[], Awaitable[bool]] | None = None
        self.status = 0
        self.is_dropped = False

    def check(self, stands: Callable[[], Awaitable[bool]]) -> None:
        """Ask before the answer begins whether it stands."""
        self._stands = stands

    def drop(self) -> None:
        """Pass nothing of it on, whatever comes."""
        self.is_dropped = True

    @property
    def is_held_back(self) -> bool:
        """Whether nothing of it was passed on."""
        return bool(self._held_back)

    @property
    def is_of_a_silent_database(self) -> bool:
        """Whether it says that the database does not answer."""
        if self.status != DatabaseAway.status:
            return False
        body = b"".join(message.get("body", b"") for message in self._held_back)
        try:
            return bool(msgspec.json.decode(body)["type"].endswith(f":{DatabaseAway.slug}"))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            return False

    async def take(self, message: Message) -> None:
        """Take a part of the answer.

        :raises NotPassedOnError: it does not stand.
        """
        if self.is_dropped:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._marked(message["headers"])}
            if self.status in {404, DatabaseAway.status}:
                self._held_back.append(message)
                return
            if self._stands is not None and not await self._stands():
                self.is_dropped = True
                raise NotPassedOnError
        elif self._held_back:
            self._held_back.append(message)
            return
        await self._send(message)

    async def pass_on(self) -> None:
        """Send what was kept back."""
        for message in self._held_back:
            await self._send(message)

    def _marked(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        marked = [
            (name, value[:-1] + self._suffix + b'"')
            if name.lower() == _TAG and value.startswith(_WEAK)
            else (name, value)
            for name, value in headers
        ]
        return [*marked, (b"tonne-cell", self._cell)]


def tags_of(if_none_match: bytes, suffix: bytes) -> bytes:
    """Return which validators are of a cell's own answers, as it wrote them."""
    written = []
    for tag in map(bytes.strip, if_none_match.split(b",")):
        if not tag.startswith(_WEAK) or tag == b"*":
            written.append(tag)
        elif suffix and tag.endswith(suffix + b'"'):
            written.append(tag.removesuffix(suffix + b'"') + b'"')
        elif not suffix and b"~" not in tag:
            written.append(tag)
    return b", ".join(written)


class Unsent(OneAnswer):
    """An answer of which nothing is passed on."""

    def __init__(self) -> None:
        super().__init__(self._nowhere, cell="", tag_suffix=b"")
        self._headers: dict[str, str] = {}

    async def send(self, message: Any) -> None:
        """Take a part of it."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in message["headers"]
            }
        self._held_back.append(message)

    @staticmethod
    async def _nowhere(_message: Any) -> None:
        return None

    def response(self) -> Response:
        """Return it as one."""
        body = b"".join(message.get("body", b"") for message in self._held_back)
        return Response(body, status_code=self.status, headers=self._headers)
