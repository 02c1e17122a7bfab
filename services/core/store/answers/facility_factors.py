"""The factors that a facility counts with: its own, and those of every facility that it uses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from services.core.accounting.factors import Factor
from services.core.facility.model import ActivitySource
from services.core.store.registry.factors import in_force

_IN_FILE: Final = """
SELECT DISTINCT slug FROM factor WHERE facility_id = %s AND known_to IS NULL
"""
_SOURCES: Final = """
SELECT slug, spec FROM source WHERE facility_id = %s AND active AND method = 'activity'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityFactor:
    """One version in force."""

    factor: Factor
    #: the facility's file states it
    in_file: bool
    #: that use it by name; none: it is there to be used
    sources: list[str]


def facility_factors(connection: psycopg.Connection[Any], facility_id: int) -> list[FacilityFactor]:
    """Read the versions in force by factor and first day."""
    stated = {slug for (slug,) in connection.execute(_IN_FILE, (facility_id,))}
    users: dict[str, list[str]] = defaultdict(list)
    for slug, spec in connection.execute(_SOURCES, (facility_id,)):
        for name in ActivitySource.model_validate(spec).factors:
            users[name].append(slug)
    versions = in_force(connection, facility_id, sorted(stated | users.keys()))
    return [
        FacilityFactor(factor=factor, in_file=name in stated, sources=sorted(users.get(name, ())))
        for name in sorted(versions)
        for _, factor in versions[name]
    ]
