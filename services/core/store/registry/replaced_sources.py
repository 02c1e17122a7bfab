"""Retired sources whose readings an active source counts in their place."""

from __future__ import annotations

from typing import LiteralString

from services.core.facility.sources import OF_FUEL, TELLING

#: Inputs that only tell whether and how much a unit runs, or what its fuel is like, and those of
#: other pollutants: no CO2 is counted from them alone.
_TELLING: LiteralString = ", ".join(f"'{role}'" for role in sorted(TELLING | OF_FUEL))


def _enters(role: LiteralString) -> LiteralString:
    return role + " NOT IN (" + _TELLING + ") AND strpos(" + role + ", ':') = 0"


def is_replaced(active: LiteralString = "s.active") -> LiteralString:
    """Return the SQL of whether the source ``s`` is retired but replaced.

    What it emitted stays in totals, unless an active source of the same scope counts the same
    readings, to the same end: to remove is not to emit. ``active``: whether ``s`` is active.
    """
    return (
        "(NOT " + active + " AND EXISTS (SELECT FROM source_input i"
        " JOIN source_input j ON j.channel_id = i.channel_id AND "
        + _enters("j.role")
        + " JOIN source o ON o.id = j.source_id AND o.active AND o.scope = s.scope"
        " AND (o.spec ? 'removal') = (s.spec ? 'removal')"
        " WHERE i.source_id = s.id AND " + _enters("i.role") + "))"
    )
