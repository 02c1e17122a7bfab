"""The forecast of an organisation: those of its facilities, added up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from services.api.http.shapes import Row

#: Masses that add up. The ends of intervals do too, as if all facilities erred the same way at
#: once: weather and demand are shared, and by how much is not known. So it is the widest interval.
_ADDED: Final = ("known_kg", "rest_kg", "total_kg", "total_low_kg", "total_high_kg")

#: What holds of the sum as it does of the facility where it is worst.
_CHOSEN: Final[dict[str, Callable[[Iterable[float]], float]]] = {
    "known_share": min,
    "past_forecasts": min,
    "independent_forecasts": min,
    "trained_from": max,
    "trained_until": min,
}


def added(parts: Sequence[Row], organisation: str) -> Row:
    """Add up the rows of facilities, of one horizon; unknown where one of them is."""
    row = {
        **parts[0],
        "organisation": organisation,
        # each cell looks at the clock by itself
        "time": min(part["time"] for part in parts),
        "facility": " ".join(part["facility"] for part in parts),
        # each facility's period is of its own time zone
        "begins": min(part["begins"] for part in parts),
        "ends": max(part["ends"] for part in parts),
        "silent_sources": " ".join(
            f"{part['facility']}.{name}"
            for part in parts
            for name in part["silent_sources"].split()
        ),
        "reason": "; ".join(
            f"{part['facility']}: {part['reason']}" for part in parts if part["reason"]
        )
        or None,
    }
    methods = [part["method"] for part in parts]
    row["method"] = None if None in methods else " ".join(sorted(set(methods)))
    for name in (*_ADDED, *_CHOSEN):
        values = [part[name] for part in parts]
        combine = _CHOSEN.get(name, math.fsum)
        row[name] = None if None in values else combine(values)
    return row
