"""The ledger of hours: a version goes to the history before its hour changes, and never changes.

An hour is closed once it is final, or judged though it waits for its final figure. Its old version
ends at the very instant at which the new one begins to be known, so that every instant has one. All
SQL here speaks of the hour ``h`` as it is before the change.
"""

from __future__ import annotations

from typing import LiteralString

from services.core.store.database.database_time import PRESENT
from services.core.store.schema.figures import IN_HOURS, per_figure

#: SQL: the hour was closed, so that a change of it is a restatement.
IS_CLOSED: LiteralString = "(h.final OR h.code IS NOT NULL)"


#: When a version ends and the next begins: the present, but never before it began itself.
_FROM_NOW_ON: LiteralString = "greatest(" + PRESENT + ", h.known_at)"


def supersede(changing: LiteralString, *, also: LiteralString = "true") -> LiteralString:
    """Return the one statement that writes the ledger; ``changing``: FROM what, with ``h``.

    ``also``: a further condition. It adds each closed hour that is about to change, as it still is,
    and returns a row for each.
    """
    return (
        "INSERT INTO public.emission_hour_history"  # noqa: S608 - constants
        " (source_id, hour, "
        + per_figure(IN_HOURS)
        + ", version, final, quality, code, reason, known_at, superseded_at)"
        " SELECT h.source_id, h.hour, "
        + per_figure(IN_HOURS, "h.{f}")
        + ", h.version, h.final, h.quality, h.code, h.reason, h.known_at, "
        + _FROM_NOW_ON
        + " FROM "
        + changing
        + " WHERE "
        + IS_CLOSED
        + " AND "
        + also
        + " RETURNING 1"
    )


#: SQL of the assignments that make of an hour its next version; ``reasons`` by source.
NEXT_VERSION: LiteralString = (
    "version = h.version + "
    + IS_CLOSED
    + "::int, reason = CASE WHEN "
    + IS_CLOSED
    + " THEN %(reasons)s::jsonb ->> h.source_id::text ELSE h.reason END,"
    " known_at = " + _FROM_NOW_ON
)
