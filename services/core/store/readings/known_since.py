"""Since when a reading is known, which is when it was stored: a message may have waited before.

``known_at`` is null where that is the time of its arrival, as it is of all that is stored within a
second. What waited in a broker or comes out of quarantine has it, and what replaced another.
"""

from __future__ import annotations

from typing import Final, LiteralString

from services.core.store.database.database_time import PRESENT


def known_at(received_at: LiteralString) -> LiteralString:
    """Return SQL of the ``known_at`` of a reading that is stored now."""
    return (
        "CASE WHEN "
        + PRESENT
        + " - "
        + received_at
        + " > interval '1 second' THEN "
        + PRESENT
        + " END"
    )


#: Where readings are that stood at an instant: table, prefix of its columns, when they ended.
_PLACES: Final[tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = (
    ("reading", "", "'infinity'"),
    ("reading_correction", "old_", "corrected_at"),
    ("discarded_reading", "", "discarded_at"),
)


def readings_then(condition: LiteralString, end: LiteralString = "") -> LiteralString:
    """Return SQL of the readings of the channel ``x.channel_id`` that stood at ``as_of``.

    ``condition`` of ``ts``, ``value`` and ``quality``, which are its columns; ``end``: ORDER BY and
    LIMIT. What replaced a reading, or took it away, kept it in a record.
    """
    parts: list[LiteralString] = [
        "(SELECT ts, value, quality FROM (SELECT ts, "  # noqa: S608 - constants
        + prefix
        + "value AS value, "
        + prefix
        + "quality AS quality FROM "
        + table
        + " WHERE channel_id = x.channel_id AND coalesce("
        + prefix
        + "known_at, "
        + prefix
        + "received_at) <= %(as_of)s::timestamptz AND "
        + ended_at
        + " > %(as_of)s::timestamptz) q WHERE "
        + condition
        + " "
        + end
        + ")"
        for table, prefix, ended_at in _PLACES
    ]
    every: LiteralString = " UNION ALL ".join(parts)
    return "SELECT ts, value, quality FROM (" + every + ") k " + end  # noqa: S608 - as above
