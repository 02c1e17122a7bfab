"""Changes rolling and to-date totals by what changed of the minutes that stand in them."""

from __future__ import annotations

from typing import Any, LiteralString

import numpy as np
import psycopg
from numpy.typing import NDArray

from services.core.store.emissions.minute_changes import CHANGES, Changes
from services.core.store.emissions.minute_rows import key
from services.core.store.schema.figures import IN_WINDOWS, per_figure

#: Fewer changes are joined with windows as they are: where these begin and end need not be asked.
_FEW = 500

_CHANGE: LiteralString = f"""
UPDATE rolling_total r
SET {per_figure(IN_WINDOWS, "{f} = r.{f} + c.{f}")}
FROM (
    SELECT t.source_id, t.span, {per_figure(IN_WINDOWS, "sum(d.{f}) AS {f}")}
    FROM {CHANGES}
    JOIN rolling_total t ON t.source_id = d.source_id
     AND minute_start(d.minute) BETWEEN t.since AND t.upto
    GROUP BY 1, 2
) c
WHERE r.source_id = c.source_id AND r.span = c.span
"""  # noqa: S608 - constants

_BOUNDARY_HOURS = """
SELECT DISTINCT r.source_id, minute_of(x.edge) / 60 * 60
FROM rolling_total r CROSS JOIN LATERAL (VALUES (r.since), (r.upto)) AS x(edge)
WHERE r.source_id = ANY(%s)
"""


def change(connection: psycopg.Connection[Any], changes: Changes, newest_minute: int) -> None:
    """Change the totals that the changed minutes stand in; none holds a later minute."""
    standing = changes.where(changes.columns["minutes"] <= newest_minute)
    if len(standing) > _FEW:
        split = in_boundary_hour(
            connection, standing.columns["sources"], standing.columns["minutes"]
        )
        standing = standing.where(split).plus(standing.where(~split).by_hour())
    if len(standing):
        connection.execute(_CHANGE, standing.columns)


def in_boundary_hour(
    connection: psycopg.Connection[Any], sources: NDArray[Any], minutes: NDArray[Any]
) -> NDArray[np.bool_]:
    """Return which minutes lie in an hour in which a total of their source begins or ends.

    Any other hour stands in each total as a whole, or not at all.
    """
    rows = connection.execute(_BOUNDARY_HOURS, (np.unique(sources).tolist(),)).fetchall()
    boundaries = np.array(rows, dtype=np.int64).reshape(-1, 2)
    hours = key(sources.astype(np.int64), minutes.astype(np.int64) // 60 * 60)
    return np.isin(hours, key(boundaries[:, 0], boundaries[:, 1]))
