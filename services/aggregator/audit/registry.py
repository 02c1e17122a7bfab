"""Check what decides which sources are looked at: retirements, purges, hours that are nobody's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from services.aggregator.audit.findings import Difference, Kind
from services.core.store.emissions import registry_checks
from services.core.store.emissions.registry_checks import Contradiction


def purges(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[Difference]:
    """Return the facilities, None: among all, of which a part is deleted: nothing is checked."""
    return _differences(Kind.PURGE, registry_checks.unfinished_purges(connection, facilities))


def contradictions(
    connection: psycopg.Connection[Any], facilities: Sequence[str] | None
) -> list[Difference]:
    """Return what is said to be retired and is not, or the other way round.

    Of all facilities (None) also hours of sources that are not there.
    """
    retired = registry_checks.wrong_retirements(connection, facilities)
    orphans = registry_checks.nobodys_hours(connection) if facilities is None else []
    return [*_differences(Kind.RETIRED, retired), *_differences(Kind.MISSING, orphans)]


def _differences(kind: Kind, contradictions: Sequence[Contradiction]) -> list[Difference]:
    return [
        Difference(
            kind=kind,
            facility=entry.facility,
            source=entry.source,
            source_name=entry.source,
            detail=entry.detail,
        )
        for entry in contradictions
    ]
