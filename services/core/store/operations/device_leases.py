"""Which ingest process connects to which device: one that has a lock of its database session."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final

import psycopg

from services.core.store.database.locks import DEVICE_ADDRESS

_LOCK: Final = """
SELECT address FROM unnest(%s::text[]) AS wanted (address)
WHERE pg_try_advisory_lock(%s, hashtext(address))
"""

_UNLOCK: Final = """
SELECT pg_advisory_unlock(%s, hashtext(address)) FROM unnest(%s::text[]) AS left_ones (address)
"""


class DeviceLeases:
    """The addresses that this process connects to; they end with the session, as after a crash."""

    def __init__(self) -> None:
        self._session: int | None = None
        self._leased: frozenset[str] = frozenset()

    def keep(self, connection: psycopg.Connection[Any], wanted: AbstractSet[str]) -> frozenset[str]:
        """Lease what is wanted and free, and give back the rest; return what is leased now.

        ``connection`` is in autocommit mode.
        """
        session = connection.info.backend_pid
        if session != self._session:
            self._session, self._leased = session, frozenset()
        if needless := sorted(self._leased - wanted):
            connection.execute(_UNLOCK, (DEVICE_ADDRESS, needless))
        self._leased &= wanted
        if missing := sorted(wanted - self._leased):
            rows = connection.execute(_LOCK, (missing, DEVICE_ADDRESS)).fetchall()
            self._leased |= {address for (address,) in rows}
        return self._leased
