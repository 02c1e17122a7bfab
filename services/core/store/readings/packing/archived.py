"""What is said of a packed day whose readings are in the archive alone."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import numpy as np
import psycopg

from services.core.store.packing.days import Integers, date_of

#: Facility and name of a channel, as :func:`named` takes them.
NAMES: Final[LiteralString] = """
SELECT f.slug, d.slug || '.' || c.slug
FROM channel c JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id
WHERE c.id = %(channel)s
"""


_SEALED: Final = """
SELECT x.channel_id, x.day
FROM unnest(%s::int8[], %s::int8[]) AS x(channel_id, day)
JOIN archived_span a ON a.channel_id = x.channel_id AND x.day BETWEEN a.first_day AND a.last_day
LIMIT 1
"""


class ArchivedDayError(RuntimeError):
    """What a channel has of a day is in the archive alone; the text says how to bring it back."""

    def __init__(
        self, channel_id: int, day: int, facility: str = "FACILITY", channel: str | None = None
    ) -> None:
        date = date_of(day)
        super().__init__(
            f"the readings of {channel or f'channel {channel_id}'} on {date} are in the archive"
            f" alone: bring them back with `tonne archive restore {facility} {date[:7]}`"
        )
        self.channel_id = channel_id
        self.day = day


def named(error: ArchivedDayError, row: Any) -> ArchivedDayError:
    """Return the error with the names that :data:`NAMES` reads."""
    facility, channel = row or ("FACILITY", None)
    return ArchivedDayError(error.channel_id, error.day, facility, channel)


def check_open(connection: psycopg.Connection[Any], channels: Integers, days: Integers) -> None:
    """Check that readings of days may change, pairs of channel and day; packers are kept off.

    :raises ArchivedDayError: what would follow from it is in the archive alone.
    """
    row = connection.execute(_SEALED, (channels.astype(np.int64), days.astype(np.int64))).fetchone()
    if row is not None:
        channel_id, day = row
        names = connection.execute(NAMES, {"channel": channel_id}).fetchone()
        raise named(ArchivedDayError(channel_id, day), names)
