"""What an answer about paths to net zero takes from the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from services.core.facility.model import ScopePath
from services.core.store.answers.first_hours import first_hours
from services.core.store.registry.pathways import StatedPath, stated_paths
from services.core.store.registry.stated_removals import StatedBalance, stated_balances


@dataclass(frozen=True, kw_only=True, slots=True)
class FacilityPaths:
    """A facility with at least one path."""

    facility_id: int
    #: by scope
    paths: tuple[StatedPath, ...]
    #: None: nothing was ever known of them
    first_hour: datetime | None
    #: removals and credits; None: the file states none
    balance: StatedBalance | None = None


def facility_paths(
    connection: psycopg.Connection[Any],
    facility_ids: Sequence[int],
    as_of: datetime | None,
    scope: int | None,
) -> dict[int, FacilityPaths]:
    """Read the paths of facilities that have any; ``as_of``: as they were known then.

    ``scope``: of this one alone; None: of all.
    """
    paths: dict[int, list[StatedPath]] = {}
    for path in stated_paths(connection, facility_ids, as_of):
        if scope in {None, path.spec.scope}:
            paths.setdefault(path.facility_id, []).append(path)
    hours = first_hours(connection, list(paths))
    balances = stated_balances(connection, list(paths), as_of)
    return {
        facility_id: FacilityPaths(
            facility_id=facility_id,
            paths=tuple(of_facility),
            first_hour=hours.get(facility_id),
            balance=balances.get(facility_id),
        )
        for facility_id, of_facility in paths.items()
    }


def member_paths(
    connection: psycopg.Connection[Any],
    facility_ids: Sequence[int],
    paths: Sequence[ScopePath],
    as_of: datetime | None,
) -> dict[int, FacilityPaths]:
    """Return facilities under the paths of their organisation, which have no base of their own."""
    hours = first_hours(connection, facility_ids)
    balances = stated_balances(connection, facility_ids, as_of)
    return {
        facility_id: FacilityPaths(
            facility_id=facility_id,
            paths=tuple(
                StatedPath(facility_id=facility_id, spec=path, base=None) for path in paths
            ),
            first_hour=hours.get(facility_id),
            balance=balances.get(facility_id),
        )
        for facility_id in facility_ids
    }
