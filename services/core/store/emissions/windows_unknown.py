"""Windows of a source of which nothing is known: as if there had never been any."""

from __future__ import annotations

from typing import Any

import psycopg


def forget(connection: psycopg.Connection[Any], source_id: int) -> None:
    """Forget its rolling and to-date totals; they are made anew when windows are next moved."""
    connection.execute("DELETE FROM rolling_total WHERE source_id = %s", (source_id,))
