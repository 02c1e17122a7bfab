"""Which time a source's reports are cut by, and by which configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

import psycopg

from services.core.facility import model

#: The configuration ``r`` of each source ``s``, of the instant ``as_of`` where there is one. The
#: first configuration speaks for the time before it.
SPEC_THEN: LiteralString = """
CROSS JOIN LATERAL (
    SELECT CASE WHEN %(as_of)s::timestamptz IS NULL THEN s.spec ELSE coalesce((
        SELECT spec FROM source_revision WHERE source_id = s.id
        ORDER BY (known_at <= %(as_of)s) DESC,
                 CASE WHEN known_at <= %(as_of)s THEN known_at END DESC, known_at
        LIMIT 1), s.spec) END AS spec) r
"""

#: Whether that puts the source under Part 75.
IS_PART75: LiteralString = "'part75' IN (r.spec ->> 'validity', r.spec ->> 'substitution')"


def applied(source: model.StackSource, *, part75: bool) -> model.ReportingZone:
    """Return the zone that is stated, else the one of the facility's rule.

    ``part75``: whether any source of the facility is under it.
    """
    return source.reporting_zone or ("standard" if part75 else "local")


def of_source(
    connection: psycopg.Connection[Any],
    source_id: int,
    configuration: model.StackSource,
    as_of: datetime | None,
) -> model.ReportingZone:
    """Return the zone of one source; ``as_of`` None: as the facility is configured now."""
    row = connection.execute(
        f"SELECT bool_or({IS_PART75}) FROM source s {SPEC_THEN}"  # noqa: S608 - constants
        " WHERE s.method = 'stack'"
        " AND s.facility_id = (SELECT facility_id FROM source WHERE id = %(source)s)",
        {"source": source_id, "as_of": as_of},
    ).fetchone()
    return applied(configuration, part75=bool(row and row[0]))
