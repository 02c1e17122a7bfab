"""What a client is known by, and when each was used last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal, NamedTuple

import structlog
from sqlalchemy import Connection

from services.api.database import Database
from services.api.http.errors import DATABASE_ERRORS
from services.core.store.people.sessions import Use, note_uses

log = structlog.get_logger()

#: What is shown as the last use is late by this.
_WRITE_EVERY_S: Final = 60.0


class Credential(NamedTuple):
    """A key, or the session of a person."""

    kind: Literal["key", "session"]
    id: int


class Uses:
    """Last uses since they were written: a request writes nothing by being one."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._noted: dict[Credential, Use] = {}

    def note(self, credential: Credential, address: str) -> None:
        """Note that a credential is used now."""
        self._noted[credential] = Use(used_at=self._now(), address=address)

    async def keep_writing(self) -> None:
        """Write once a minute until cancelled, and at the end."""
        try:
            while True:
                await asyncio.sleep(_WRITE_EVERY_S)
                await self.write()
        finally:
            await self.write()

    async def write(self) -> None:
        """Write what was noted; what the database does not take is lost until the next use."""
        noted, self._noted = self._noted, {}
        if not noted:
            return

        def change(connection: Connection) -> None:
            note_uses(
                connection,
                keys={c.id: use for c, use in noted.items() if c.kind == "key"},
                sessions={c.id: use for c, use in noted.items() if c.kind == "session"},
            )

        try:
            await self._database.write(change, address="")
        except DATABASE_ERRORS as error:
            log.warning("uses_not_written", error=str(error))
