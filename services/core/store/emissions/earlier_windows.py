"""Windows that begin earlier than they did: in another time zone a day may have begun before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

_FORGET = """
DELETE FROM rolling_total r
USING unnest(%(windows)s::text[], %(since)s::timestamptz[]) AS x(span, since)
WHERE r.source_id = ANY(%(sources)s) AND r.span = x.span
  AND x.since < r.since AND r.upto < %(through)s
"""


def forget(
    connection: psycopg.Connection[Any],
    source_ids: Sequence[int],
    since: Mapping[str, datetime],
    through: datetime,
) -> None:
    """Forget the totals, so that they are made anew from minutes; arguments as for advancing."""
    connection.execute(
        _FORGET,
        {
            "sources": list(source_ids),
            "windows": list(since),
            "since": list(since.values()),
            "through": through,
        },
    )
