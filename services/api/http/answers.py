"""Rows as JSON, CSV or Arrow, sent in parts: the database is done before the first part leaves."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi.responses import Response, StreamingResponse

from services.api.admission.spending import note_rows
from services.api.http import arrow_stream
from services.api.http.problems import NotAcceptable
from services.core.runtime.escapes import csv_text

#: The longest list that one answer holds.
MOST_ROWS = 100_000

_ROWS_A_PART = 1000
_JSON, _CSV = "application/json", "text/csv"
#: What one writes after ``Content-Type:``.
_CONTENT_TYPES = {_CSV: f"{_CSV}; charset=utf-8; header=present"}

Rows = Sequence[dict[str, Any]]


def json_answer(body: Any) -> Response:
    """One JSON body; aware datetimes become RFC 3339."""
    if isinstance(body, list):
        note_rows(len(body))
    return Response(msgspec.json.encode(body), media_type=_JSON)


def rows_answer(
    rows: Rows,
    *,
    columns: Sequence[str],
    accept: str,
    headers: dict[str, str] | None = None,
    arrow: arrow_stream.Columns | None = None,
) -> Response:
    """A list of flat rows as the caller wants it.

    :param arrow: types of the columns where Arrow is offered too.
    :raises NotAcceptable: ``accept`` allows nothing that is offered.
    """
    note_rows(len(rows))
    offered = [_JSON, _CSV] if arrow is None else [_JSON, _CSV, arrow_stream.MEDIA_TYPE]
    media_type = _choose(accept, offered)
    if media_type == _CSV:
        parts = _csv_parts(rows, columns)
    elif arrow is not None and media_type == arrow_stream.MEDIA_TYPE:
        parts = arrow_stream.stream(_parts(rows), arrow)
    else:
        parts = _json_parts(rows)
    return StreamingResponse(
        _unhurried(parts),
        headers={
            "Content-Type": _CONTENT_TYPES.get(media_type, media_type),
            "Vary": "Accept",
            **(headers or {}),
        },
    )


def _choose(accept: str, offered: Sequence[str]) -> str:
    weights: dict[str, float] = {}
    for item in accept.split(",") if accept.strip() else ["*/*"]:
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[name] = float(quality)
        except ValueError:
            weights[name] = 0.0

    def weight(media_type: str) -> float:
        family = media_type.split("/", maxsplit=1)[0] + "/*"
        return next((weights[name] for name in (media_type, family, "*/*") if name in weights), 0.0)

    chosen = max(offered, key=weight)
    if weight(chosen) <= 0:
        raise NotAcceptable(f"Offered: {', '.join(offered)}; the request accepts `{accept}`.")
    return chosen


def _parts(rows: Rows) -> Iterator[Rows]:
    iterator = iter(rows)
    while part := list(islice(iterator, _ROWS_A_PART)):
        yield part


def _json_parts(rows: Rows) -> Iterator[bytes]:
    lead = b"["
    for part in _parts(rows):
        yield lead + msgspec.json.encode(part)[1:-1]
        lead = b","
    yield b"]" if lead == b"," else b"[]"


def _csv_parts(rows: Rows, columns: Sequence[str]) -> Iterator[bytes]:
    # RFC 4180: CRLF, one header line
    yield (",".join(columns) + "\r\n").encode()
    for part in _parts(rows):
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerows([_csv_cell(row[column]) for column in columns] for row in part)
        yield text.getvalue().encode()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str):
        return csv_text(value)
    return "" if value is None else value


def rfc3339(instant: datetime) -> str:
    """An aware UTC datetime with the ending Z."""
    return instant.isoformat().replace("+00:00", "Z")


async def _unhurried(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Let other requests in between two parts."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


def next_link(path: str, **parameters: object) -> str:
    """The ``Link`` header that leads to the rest of a list (RFC 8288)."""
    return f'<{path}?{urlencode(parameters, doseq=True)}>; rel="next"'
