"""Rows as JSON, CSV or Arrow, sent in parts: the database is done before the first part leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Header
from fastapi.responses import Response, StreamingResponse

from services.api.admission.spending import note_rows
from services.api.http import arrow_stream, csv_lines, gathered, json_rows, parquet
from services.api.http.columns import Cells, Table
from services.api.http.formats import CSV, JSON, MEDIA_TYPES, FormatName
from services.api.http.loop_turns import in_turn
from services.api.http.problems import NotAcceptable
from services.api.http.shapes import Row, Shape

#: Enough that what a part costs by itself does not tell, and little for others to wait for.
_ROWS_A_PART = 1000
#: Each batch of Arrow has some thirty arrays of its own.
_ROWS_A_BATCH = 10_000
#: Each row group of Parquet has statistics and dictionaries of its own.
_ROWS_A_GROUP = 50_000
#: What one writes after ``Content-Type:``.
_CONTENT_TYPES = {CSV: f"{CSV}; charset=utf-8; header=present"}

Rows = Sequence[Row]

#: The header by which a caller chooses among a list's formats.
Accept = Annotated[str, Header(include_in_schema=False)]


def json_answer(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with one JSON body; aware datetimes become RFC 3339."""
    if isinstance(body, list):
        if (gathering := gathered.current.get()) is not None:
            gathering.table, gathering.headers = Table({"": Cells(body)}), headers or {}
            return Response(status_code=204)
        note_rows(len(body))
    return Response(msgspec.json.encode(body), media_type=JSON, headers=headers)


def rows_answer(
    rows: Rows,
    shape: Shape,
    *,
    accept: str,
    name: FormatName | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a list of flat rows in the format that the caller wants.

    It is for lists that are short, and built row by row; what may have a hundred thousand rows is
    built as columns: :func:`table_answer`.

    :raises NotAcceptable: ``accept`` allows nothing that is offered.
    """
    return table_answer(shape.table_of(rows), shape, accept=accept, name=name, headers=headers)


def table_answer(
    table: Table,
    shape: Shape,
    *,
    accept: str,
    name: FormatName | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with the columns of a list, however long, in the format that the caller wants.

    ``name``: of the format, which goes before what ``accept`` says.

    :raises NotAcceptable: ``accept`` allows nothing that is offered.
    """
    if (gathering := gathered.current.get()) is not None:
        gathering.table, gathering.shape, gathering.headers = table, shape, headers or {}
        return Response(status_code=204)
    note_rows(len(table))
    table = table.chosen(shape.columns)
    media_type = chosen_media_type(accept, name, shape.media_types)
    if media_type == CSV:
        parts = csv_lines.parts(shape.columns, table.parts(_ROWS_A_PART))
    elif shape.arrow is not None and media_type == arrow_stream.MEDIA_TYPE:
        parts = arrow_stream.stream(table.parts(_ROWS_A_BATCH), shape.arrow)
    elif shape.arrow is not None and media_type == parquet.MEDIA_TYPE:
        parts = parquet.stream(table.parts(_ROWS_A_GROUP), shape.arrow)
    else:
        parts = json_rows.parts(table, _ROWS_A_PART)
    all_headers = {
        "Content-Type": _CONTENT_TYPES.get(media_type, media_type),
        "Vary": "Accept",
        **(headers or {}),
    }
    if len(table) <= _ROWS_A_PART:
        # one message, because each goes through all of the application's layers by itself
        return Response(b"".join(parts), headers=all_headers)
    return StreamingResponse(_unhurried(parts), headers=all_headers)


def chosen_media_type(accept: str, name: FormatName | None, offered: Sequence[str]) -> str:
    """Return which of the media types the caller wants: by ``name``, else by ``accept``.

    :raises NotAcceptable: ``accept`` allows nothing that is offered.
    """
    if name is not None:
        accept = MEDIA_TYPES[name]
    weights: dict[str, float] = {}
    for item in accept.split(",") if accept.strip() else ["*/*"]:
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[kind] = float(quality)
        except ValueError:
            weights[kind] = 0.0

    def weight(media_type: str) -> float:
        family = media_type.split("/", maxsplit=1)[0] + "/*"
        return next((weights[kind] for kind in (media_type, family, "*/*") if kind in weights), 0.0)

    chosen = max(offered, key=weight)
    if weight(chosen) <= 0:
        raise NotAcceptable(f"Offered: {', '.join(offered)}; the request accepts `{accept}`.")
    return chosen


async def _unhurried(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Make parts in turn with other answers."""
    remaining = iter(parts)
    while (part := await in_turn(lambda: next(remaining, None))) is not None:
        yield part
