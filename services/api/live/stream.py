"""The answer of a stream: its head by the application, its events past it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.api.admission.connections import WIRE
from services.api.live.feed import LiveFeed
from services.api.live.viewer import Viewer, Wire


class LiveStream(Response):
    """Server-sent events of a facility, compressed where the client takes that."""

    media_type = "text/event-stream"

    def __init__(
        self, feed: LiveFeed, viewer: Callable[[Wire, bool], Viewer], *, accept_encoding: str
    ) -> None:
        deflated = _takes_deflate(accept_encoding)
        super().__init__(
            headers={
                "Cache-Control": "no-store",
                # a proxy that buffers would hold events back
                "X-Accel-Buffering": "no",
                "Vary": "Accept-Encoding",
                **({"Content-Encoding": "deflate"} if deflated else {}),
            }
        )
        del self.headers["content-length"]
        self._feed = feed
        self._viewer = viewer
        self._deflated = deflated

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve the stream until it ends."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        wire = scope["extensions"].get(WIRE)
        # who asks for the head alone is given none
        if wire is not None:
            await self._feed.serve(self._viewer(wire, self._deflated))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _takes_deflate(accept_encoding: str) -> bool:
    for item in accept_encoding.lower().split(","):
        name, _, quality = item.partition(";")
        if name.strip() == "deflate":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
