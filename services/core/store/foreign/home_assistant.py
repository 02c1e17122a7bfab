"""Long-term statistics of Home Assistant's recorder, hour by hour, out of its SQLite file.

Its developer documentation, "Long- and short-term statistics": ``sum`` grows for ever, whatever the
meter behind it does, and ``state`` is the meter's own; both as they are at the end of the hour that
begins at ``start_ts``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from services.core.store.foreign.rows import ForeignDatabaseError, ForeignRows

#: start and end: epoch seconds.
NAMES: Final = ["start", "end", "statistic_id", "unit", "sum", "state", "mean", "min", "max"]

_ROWS: Final = 5000

_STATISTICS: Final = """
SELECT s.start_ts, s.start_ts + 3600, m.statistic_id, m.unit_of_measurement,
       s.sum, s.state, s.mean, s.min, s.max
FROM statistics s
JOIN statistics_meta m ON m.id = s.metadata_id
ORDER BY m.statistic_id, s.start_ts
"""


def rows(path: Path) -> Iterator[ForeignRows]:
    """Yield all statistics of a file, of one after the other; the first piece has none.

    The file may be in use: it is opened read only.

    :raises ForeignDatabaseError: it is no such file.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            cursor = connection.execute(_STATISTICS)
            yield ForeignRows(names=NAMES, rows=[])
            while piece := cursor.fetchmany(_ROWS):
                yield ForeignRows(names=NAMES, rows=[list(row) for row in piece])
    except (sqlite3.Error, UnicodeError, MemoryError) as error:
        # of a damaged file SQLite may say its texts, or that a value has gigabytes
        detail = error if str(error) else "it is damaged"
        raise ForeignDatabaseError(
            f"it is no database of Home Assistant 2023.3 or later ({detail})"
        ) from None
