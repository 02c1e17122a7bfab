"""Answers that were made, kept for whoever asks the same while nothing has changed.

A validator is made of all that an answer follows from and of what was asked: what tells one caller
that his answer still holds, tells that it holds for the next one too. See ``deploy/docs/adr``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi.responses import Response, StreamingResponse

from services.api.admission.spending import note_rows
from services.api.http import gathered
from services.api.http.validators import Validator

#: Answers that are kept in all: some thousand of a few dozen rows.
_MAX_BYTES: Final = 32 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    body: bytes
    headers: Mapping[str, str]
    rows: int


class AnswerCache:
    """The answers that were asked for last, by their validators."""

    def __init__(self, *, max_bytes: int = _MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        #: by tag; those asked for last come last
        self._by_tag: OrderedDict[str, _Answer] = OrderedDict()
        self._bytes = 0

    def answer(self, validator: Validator) -> Response | None:
        """Return the answer that has this validator; None: it has to be made."""
        answer = self._by_tag.get(validator.tag)
        # who merges answers wants their rows
        if answer is None or gathered.current.get() is not None:
            return None
        self._by_tag.move_to_end(validator.tag)
        note_rows(answer.rows)
        return Response(answer.body, headers=answer.headers)

    def keep(self, validator: Validator | None, answer: Response, *, rows: int) -> Response:
        """Keep an answer of so many rows, unless it is large or sent in parts, and return it.

        ``validator``: None: it has none.
        """
        is_merged = gathered.current.get() is not None
        if validator is None or is_merged or isinstance(answer, StreamingResponse):
            return answer
        body = bytes(answer.body)
        if validator.tag in self._by_tag or len(body) > self._max_bytes:
            return answer
        self._by_tag[validator.tag] = _Answer(body=body, headers=dict(answer.headers), rows=rows)
        self._bytes += len(body)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._by_tag.popitem(last=False)[1].body)
        return answer

    def clear(self) -> None:
        """Forget all of them."""
        self._by_tag.clear()
        self._bytes = 0
