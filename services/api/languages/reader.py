"""Whose language an answer is in: that of ``Accept-Language``, which pages send; English without.

What tonne says itself is in it: what is wrong with a request or a file, why a message was
refused, what happened in a chart. Figures, codes, keys and what people wrote are the same to all.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.languages import ENGLISH
from services.api.languages.choice import accepted_language
from services.api.languages.sentences import translate as translate_into


@dataclass(slots=True)
class _Reader:
    language: str
    #: whether the answer would be another one in another language
    matters: bool = False
    #: whether something of it is in English alone
    lacks: bool = False


#: Answers of tonne's own; those under `/prometheus` are as Prometheus words them.
_PATHS: Final = ("/v1/", "/readyz")

_reader: Final[ContextVar[_Reader | None]] = ContextVar("reader", default=None)


def translate(text: str) -> str:
    """Return one of tonne's own texts in the language of who reads the answer."""
    reader = _reader.get()
    if reader is None:
        return text
    reader.matters = True
    if reader.language == ENGLISH:
        return text
    translated = translate_into(text, reader.language)
    reader.lacks = reader.lacks or (bool(text) and translated is None)
    return translated or text


class TellReader:
    """Learn the reader's language before a request is answered, and say which one was taken."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        header = next((v for k, v in scope["headers"] if k == b"accept-language"), b"")
        reader = _Reader(accepted_language(header.decode("latin-1")))
        token = _reader.set(reader)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and reader.matters:
                headers = MutableHeaders(scope=message)
                languages = [reader.language, *([ENGLISH] if reader.lacks else [])]
                headers["Content-Language"] = ", ".join(languages)
                headers.add_vary_header("Accept-Language")
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            _reader.reset(token)
