"""Forgets windows, as if there had never been any: they are made anew when next moved."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg


def forget(connection: psycopg.Connection[Any], source_id: int) -> None:
    """Forget the rolling and to-date totals of a source of which nothing is known."""
    connection.execute("DELETE FROM rolling_total WHERE source_id = %s", (source_id,))


def forget_after(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], minute: datetime
) -> None:
    """Forget the totals of sources that were moved beyond a minute."""
    connection.execute(
        "DELETE FROM rolling_total WHERE source_id = ANY(%s) AND upto > %s",
        (list(source_ids), minute),
    )
