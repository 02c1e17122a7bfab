"""How sources determine what they emit, and by which file: now, or as known then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from services.core.accounting.emission_report.record import Method
from services.core.accounting.stack.equations import equation_for
from services.core.store.answers.counted_factors import SPEC_THEN

_SOURCES: Final[LiteralString] = f"""
SELECT f.slug AS facility, s.slug, s.method, c.spec
FROM source s JOIN facility f ON f.id = s.facility_id {SPEC_THEN}
WHERE s.id = ANY(%(sources)s) ORDER BY f.slug, s.slug COLLATE "C"
"""  # noqa: S608 - constants

_FILES: Final = """
SELECT DISTINCT ON (f.id) f.slug, v.applied_at, v.sha256
FROM facility f JOIN facility_version v ON v.facility_id = f.id
WHERE f.id = ANY(%(facilities)s)
  AND (%(as_of)s::timestamptz IS NULL OR v.applied_at <= %(as_of)s)
ORDER BY f.id, v.number DESC
"""


def source_methods(
    connection: psycopg.Connection[Any], source_ids: Sequence[int], as_of: datetime | None = None
) -> list[Method]:
    """Read how sources determine what they emit, by facility and id; ``as_of``: as known then."""
    with connection.cursor(row_factory=dict_row) as cursor:
        asked = {"sources": list(source_ids), "as_of": as_of}
        return [_method(row) for row in cursor.execute(_SOURCES, asked)]


def _method(row: Mapping[str, Any]) -> Method:
    spec = row["spec"]
    is_activity = row["method"] == "activity"
    equation = None
    if spec.get("equation"):
        equation = equation_for(
            spec["equation"], diluent=spec.get("diluent"), fuel=spec.get("fuel")
        )
    inputs = spec.get("inputs") or {"input": spec.get("input", "")}
    return Method(
        facility=row["facility"],
        source=row["slug"],
        method=row["method"],
        equation=None if equation is None else equation.id,
        citation=None if equation is None else equation.citation,
        factor=spec.get("factor"),
        market_factor=spec.get("market_factor"),
        gwp=(spec.get("gwp") or "AR6") if is_activity else None,
        validity=_rule(spec.get("validity")),
        substitution=_rule(spec.get("substitution")),
        channels=", ".join(sorted(set(inputs.values()))),
    )


def _rule(name: str | None) -> str | None:
    return None if name == "none" else name


def configured(
    connection: psycopg.Connection[Any], facility_ids: Sequence[int], as_of: datetime | None = None
) -> dict[str, tuple[datetime, str]]:
    """Read since when the files of facilities are in force, and their SHA-256, by facility.

    ``as_of``: of those that were in force then; a facility whose file of then was not kept is left
    out.
    """
    asked = {"facilities": list(facility_ids), "as_of": as_of}
    rows = connection.execute(_FILES, asked).fetchall()
    return {slug: (applied_at, sha256) for slug, applied_at, sha256 in rows}
