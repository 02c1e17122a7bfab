"""Amounts of bills and the like that come as a list, by HTTP: stored all, or none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from services.core.facility import activity_file
from services.core.facility.errors import FacilityFileError, Problem
from services.core.runtime.stated_activities import TakenActivities, WrongActivity
from services.core.store.emissions import source_shape
from services.core.store.readings import activities
from services.core.store.readings.activities import ActivityConflictError


def take(
    connection: psycopg.Connection[Any],
    facility: str,
    rows: Sequence[dict[str, Any]],
    *,
    by: str,
    now: datetime,
) -> TakenActivities:
    """Store what is new of entries of a facility; ``connection`` is in autocommit mode."""
    problems: list[Problem] = []
    numbered = [(index + 1, {**row, "facility": facility}) for index, row in enumerate(rows)]
    entries = activity_file.checked(numbered, problems, now, facility)
    if problems:
        return _wrong(problems)
    try:
        new, present = activities.prepare(connection, entries, source_shape.hours)
        stored = sum(activities.store(connection, new, by=by))
    except FacilityFileError as error:
        return _wrong(error.problems)
    except ActivityConflictError as error:
        return TakenActivities(wrong=[WrongActivity(index=0, detail=str(error))])
    return TakenActivities(stored=stored, present=present)


def _wrong(problems: Sequence[Problem]) -> TakenActivities:
    return TakenActivities(
        wrong=[
            WrongActivity(index=max((problem.line or 1) - 1, 0), detail=problem.message)
            for problem in problems
        ]
    )
