"""Requests that only read may be answered by a standby, and begin anew where that cannot go on."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.standby import AskPrimaryError, Place, place


class ReadAgain:
    """Let a request read from the standby; have the primary answer what the standby could not.

    Answers begin when the database is done, so nothing of the first attempt was sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        request = Place()
        before = place.set(request)
        try:
            await self._app(scope, receive, sent)
        except AskPrimaryError:
            if has_begun:
                raise
            request.at_primary = True
            await self._app(scope, receive, send)
        finally:
            place.reset(before)
