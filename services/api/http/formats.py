"""Formats by name, where a browser or a spreadsheet sends no header of its own."""

from __future__ import annotations

from typing import Final, Literal

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
#: Calls whose path may end in a format.
_NAMED: Final = "/v1/emissions."


class NameFormat:
    """Take the ending of a path, such as ``.csv``, as the parameter ``format``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope["path"] if scope["type"] == "http" else ""
        name = path.removeprefix(_NAMED)
        if name != path and name in MEDIA_TYPES:
            given = scope["query_string"]
            query = b"format=" + name.encode() + (b"&" + given if given else b"")
            path = _NAMED.removesuffix(".")
            scope = {**scope, "path": path, "raw_path": path.encode(), "query_string": query}
        await self._app(scope, receive, send)
