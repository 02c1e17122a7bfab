"""Formats by name, where a browser or a spreadsheet sends no header of its own."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.http import arrow_stream, parquet

CSV: Final = "text/csv"
JSON: Final = "application/json"

FormatName = Literal["json", "csv", "arrow", "parquet"]

#: What each name stands for.
MEDIA_TYPES: Final[dict[str, str]] = {
    "json": JSON,
    "csv": CSV,
    "arrow": arrow_stream.MEDIA_TYPE,
    "parquet": parquet.MEDIA_TYPE,
}

#: The parameter of a list that every format is offered of.
Format = Annotated[
    FormatName | None,
    Field(
        description="instead of the header `Accept`: `json`, `csv`, `arrow` or `parquet`; so does"
        " such an ending of the path, as in `.csv`"
    ),
]
#: The parameter of a list that is offered as text.
TextFormat = Annotated[
    Literal["json", "csv"] | None,
    Field(
        description="instead of the header `Accept`: `json` or `csv`; so does such an ending of the"
        " path, as in `.csv`"
    ),
]

#: A call with a format at the end of its path. No list is named so: the specification is one file.
_NAMED: Final = re.compile(rf"(?!/v1/openapi\.)(/v1/[a-z/]+)\.({'|'.join(MEDIA_TYPES)})")


class NameFormat:
    """Take the ending of a path, such as ``.csv``, as the parameter ``format``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        named = _NAMED.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if named is not None:
            path, name = named.groups()
            given = scope["query_string"]
            query = b"format=" + name.encode() + (b"&" + given if given else b"")
            scope = {**scope, "path": path, "raw_path": path.encode(), "query_string": query}
        await self._app(scope, receive, send)
