"""What a stored sum of hours has: the SQL of what several hours come to.

Integer sums are exact in any order; the rest are counts and the highest version, so that sums add
up to the same as their hours.
"""

from __future__ import annotations

from typing import Final, LiteralString

from services.core.store.emissions.hour_quality import HAS_NO_VALUE
from services.core.store.schema.figures import METHODS_MS, SUMMED_AMOUNTS, TIMES, Figure, per_figure

_COUNTED: Final[dict[LiteralString, LiteralString]] = {
    "known_hours": "known",
    "voided_hours": HAS_NO_VALUE,
    "missing_hours": "quality = 'missing'",
    "partial_hours": "quality = 'partial'",
    "substituted_hours": "quality = 'substituted'",
}

#: The columns of a stored sum beside its key and its end, in the order of all SQL here.
COLUMNS: LiteralString = ", ".join(
    (per_figure(SUMMED_AMOUNTS), *TIMES, "version", "hours", *_COUNTED)
)

#: Whether anything is known of an hour with the time of each method.
IS_KNOWN: LiteralString = f"{' + '.join(METHODS_MS)} > 0"


def _amount(amount: Figure) -> LiteralString:
    known = per_figure((amount,), "sum(v.{f}) FILTER (WHERE v.known)")
    named = per_figure((amount,), " AS {f}")
    return (known if amount.nullable else f"coalesce({known}, 0)") + named


#: Sums of hours ``v`` as :func:`..hours_as_known.by_method` has them, and ``known``; with ``final``
#: for all.
OF_HOURS: LiteralString = ", ".join(
    (
        *(_amount(amount) for amount in SUMMED_AMOUNTS),
        *(f"sum(v.{time}) AS {time}" for time in TIMES),
        "max(v.version) AS version",
        "count(*) AS hours",
        *(f"count(*) FILTER (WHERE {which}) AS {name}" for name, which in _COUNTED.items()),
        "bool_and(v.final) AS final",
    )
)

#: Whether each amount of ``x`` can be stored.
FITS: LiteralString = (
    "coalesce(greatest(" + per_figure(SUMMED_AMOUNTS, "abs(x.{f})") + "), 0) <= 9223372036854775807"
)
