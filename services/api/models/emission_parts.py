"""What stands beside sums of emissions: which share is how well known, and what was removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Column, Numbers
from services.api.models.bands import kg_column
from services.api.models.emission_table import Series, rounded
from services.api.models.removed import (
    BIOGENIC,
    FOSSIL,
    is_from_stack,
    removed_and_stored,
)
from services.core.facility.evidence import EVIDENCE
from services.core.facility.stated_amounts import stated_amounts
from services.core.store.answers.buckets import Integers
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.grouping import Groups
from services.core.store.registry.stated_removals import StatedBalance

#: Removed, and stored fossil CO2, as answers name them.
REMOVED: Final = ("removed_kg", "stored_fossil_kg")

#: The mass by which shares are told: the one that all greenhouse gases are in.
_MASS: Final = "co2e_ug"


def evidence_shares(
    part: Series,
    rows: EmissionColumns,
    sums: Callable[[NDArray[Any]], NDArray[Any]],
    known: NDArray[np.bool_],
) -> dict[str, Column]:
    """Return which share of CO2e is known in which way; null: it is unknown or 0."""
    levels = np.array(
        [
            EVIDENCE.index("metered" if listed.account is None else listed.account.evidence)
            for listed in part.sources
        ],
        dtype=np.int64,
    )[rows.source]
    mass = rows.masses_ug[_MASS]
    total = sums(mass).astype(np.float64)
    is_share = known & (total != 0)
    divisor = np.where(total != 0, total, 1.0)
    return {
        f"evidence_{name}": Numbers(
            rounded(sums(mass * (levels == level)).astype(np.float64) / divisor)
            if (levels == level).any()
            else np.zeros(total.size),
            is_share,
        )
        for level, name in enumerate(EVIDENCE)
    }


def removal_columns(
    part: Series, rows: EmissionColumns, groups: Groups, members: Integers
) -> dict[str, Column] | None:
    """Return what the sources of each group removed and stored; None: no source removes.

    ``members``: the rows that groups are made of.
    """
    removes = np.array([listed.removes for listed in part.sources], dtype=np.bool_)
    if not removes.any():
        return None
    from_stack = np.array(
        [is_from_stack(listed.account) for listed in part.sources], dtype=np.int64
    )
    of_member = removes[rows.source][members]
    known = ~groups.any(of_member) | groups.any(of_member & rows.known[members])
    sums = [
        groups.sums(mass * of_member)
        for mass in removed_and_stored(
            rows.masses_ug[FOSSIL][members],
            rows.masses_ug[BIOGENIC][members],
            from_stack[rows.source][members],
        )
    ]
    return {name: Numbers(kg_column(mass), known) for name, mass in zip(REMOVED, sums, strict=True)}


def nothing_removed(count: int) -> dict[str, Column]:
    """Return the columns where no source removes."""
    return {name: Numbers(np.zeros(count)) for name in REMOVED}


def stated_columns(
    stated: Mapping[str, StatedBalance],
    named: Sequence[tuple[str, int | None] | None],
    group: Integers,
    spans_us: tuple[Integers, Integers],
    zone: ZoneInfo,
) -> dict[str, Column]:
    """Return what files state of each row's group and span.

    ``named``: facility and scope of each group, None of all scopes; None: it is no such group.
    """
    removed, retired = np.zeros((2, group.size))
    for number, name in enumerate(named):
        balance = None if name is None else stated.get(name[0])
        if name is None or balance is None:
            continue
        its = np.flatnonzero(group == number)
        amounts = stated_amounts(
            (part for part in balance.removals if name[1] in {None, part.scope}),
            (part for part in balance.credits if name[1] in {None, part.scope}),
            zone,
            *(ends[its] for ends in spans_us),
        )
        removed[its], retired[its] = amounts.removed_kg, amounts.credits_kg
    is_told = np.array([name is not None for name in named], dtype=np.bool_)[group]
    return {
        "removed_stated_kg": Numbers(removed, is_told),
        "credits_kg": Numbers(retired, is_told),
    }
