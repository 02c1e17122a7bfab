"""Runs of days that are one packed row: how long they may be, and how they are looked for.

A run lies in one UTC month, and no two of one owner overlap. Its first and its last day have
something; days between may have nothing. A day is a run of one.
"""

from __future__ import annotations

from typing import Final, LiteralString

#: Of the longest month.
MOST_DAYS: Final = 31

#: What more than one day may have together: who opens or unpacks a run for one of its days handles
#: about as much as of a day that is read each minute.
MOST_READINGS: Final = 1_500

#: SQL of rows that may be joined with others: few readings, and not nearly a month already. There
#: is an index of them.
SHORT: Final[LiteralString] = (
    f"readings <= {MOST_READINGS // 2} AND days < 28 AND series IS NOT NULL"
)


def overlapping(first: LiteralString, last: LiteralString) -> LiteralString:
    """Return the SQL condition of rows ``p`` that have any of some days, both included."""
    return f"p.day BETWEEN {first} - {MOST_DAYS - 1} AND {last} AND p.day + p.days > {first}"
