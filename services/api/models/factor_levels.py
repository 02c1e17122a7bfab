"""Which share of a mass counted by factors of its hour, by means, or by what else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Column, Numbers
from services.core.store.answers.factor_levels import LEVELS, FactorLevels
from services.core.store.answers.grouping import Booleans

#: Shares are told in these.
_PARTS: Final = 1_000_000

#: The columns of answers.
COLUMNS: Final = tuple(f"factor_{level}" for level in LEVELS)


def asks_levels(fields: Sequence[str]) -> bool:
    """Return whether rows of these columns, none: of all, have shares."""
    return not fields or not set(COLUMNS).isdisjoint(fields)


def level_shares(masses_ug: Sequence[int]) -> list[float] | None:
    """Return the share of each mass, of six places, which add up to 1; None: there is no mass.

    What rounding leaves is given to those of which it took most.
    """
    total = sum(masses_ug)
    if total <= 0:
        return None
    parts, rests = zip(*(divmod(mass * _PARTS, total) for mass in masses_ug), strict=True)
    left = _PARTS - sum(parts)
    largest = sorted(range(len(parts)), key=lambda index: -rests[index])[:left]
    return [(part + (index in largest)) / _PARTS for index, part in enumerate(parts)]


def level_columns(
    levels: FactorLevels | None,
    rows: int,
    sums: Callable[[NDArray[Any]], NDArray[Any]] = lambda column: column,
) -> dict[str, Column]:
    """Return the share of each level; null: nothing of a row counted by a series.

    ``sums``: adds a column up to the ``rows`` of the answer.
    """
    shares = np.zeros((len(LEVELS), rows))
    known: Booleans = np.zeros(rows, dtype=np.bool_)
    if levels is not None:
        masses = np.array(
            [sums(np.where(levels.counts, mass, 0)) for mass in levels.masses_ug.values()]
        )
        is_any = masses != 0
        # most rows are of hours, each of which counted by one thing
        is_one = (is_any.sum(axis=0) == 1) & (masses.max(axis=0) > 0)
        shares[:, is_one], known[is_one] = is_any[:, is_one], True
        for row in np.flatnonzero(is_any.any(axis=0) & ~is_one).tolist():
            share = level_shares(masses[:, row].tolist())
            if share is not None:
                shares[:, row], known[row] = share, True
    return {name: Numbers(shares[index], known) for index, name in enumerate(COLUMNS)}
