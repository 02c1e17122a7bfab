"""Emissions of several sources together: a row for each facility, or each part of it.

They follow the rules of live totals (:mod:`services.api.live.body`): what is another source's
check, or retired and replaced, is in no sum; all sources that count are expected all the time. What
sources remove stands beside what the others emit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Column, Instants, Numbers, Words
from services.api.models.bands import SourceMass, band_kg, kg_column
from services.api.models.emission_parts import (
    evidence_shares,
    nothing_removed,
    removal_columns,
    stated_columns,
)
from services.api.models.emission_table import (
    STATES,
    ListedSource,
    Series,
    lengths_ms,
    reasons,
    rounded,
    stale_shares,
)
from services.api.models.factor_levels import level_columns
from services.api.models.shares import quality_column, share_columns
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.emissions import EmissionColumns
from services.core.store.answers.factor_levels import FactorLevels
from services.core.store.answers.grouping import Groups
from services.core.store.emissions.hour_quality import QUALITIES
from services.core.store.registry.stated_removals import StatedBalance
from services.core.store.schema.figures import MASSES, METHODS_COVER
from services.core.timeline.instants import to_us

By = Literal["facility", "scope", "category", "evidence"]

#: Facility, and what of it; None: all of it, or what is of no category.
Group = tuple[str, int | str | None]

_NO_GROUP: Final = -1


def _key(listed: ListedSource, by: By) -> int | str | None:
    if by == "scope":
        return listed.source.scope
    if by == "facility" or listed.account is None:
        return None
    return listed.account.category if by == "category" else listed.account.evidence


def groups_of(part: Series, by: By) -> tuple[list[Group], Integers]:
    """Return the groups of the sources that emit or remove, and which one each is of; -1: none."""
    of_sources: list[Group | None] = [
        (listed.facility, _key(listed, by)) if listed.counts or listed.removes else None
        for listed in part.sources
    ]
    groups = list(dict.fromkeys(group for group in of_sources if group is not None))
    index = {group: number for number, group in enumerate(groups)}
    numbers = [_NO_GROUP if group is None else index[group] for group in of_sources]
    return groups, np.array(numbers, dtype=np.int64)


def group_columns(
    part: Series,
    buckets: Buckets,
    rows: EmissionColumns,
    now: datetime,
    by: By,
    stated: Mapping[str, StatedBalance],
    levels: FactorLevels | None = None,
) -> dict[str, Column]:
    """Return the columns by name, a row for each bucket and group; what is unknown is null.

    ``stated``: removals and credits of facilities whose file states some, by id. ``levels``: what
    rows of sources with factors by the hour counted by; None: there are none.
    """
    named, group_of = groups_of(part, by)
    members = np.flatnonzero(group_of[rows.source] != _NO_GROUP)
    emits = np.array([listed.counts for listed in part.sources], dtype=np.bool_)[rows.source]
    is_emission = emits[members]
    keys = rows.bucket * len(named) + group_of[rows.source]
    groups = Groups(keys[members])
    bucket, group = np.divmod(groups.keys, max(1, len(named)))
    removal = removal_columns(part, rows, groups, members)

    def sums(column: NDArray[Any]) -> NDArray[Any]:
        of_members = column[members]
        return np.asarray(groups.sums(of_members if removal is None else of_members * is_emission))

    lost: dict[int, str] = {}
    for row, why in rows.unknown.items():
        if group_of[rows.source[row]] != _NO_GROUP and emits[row]:
            lost.setdefault(int(np.searchsorted(groups.keys, keys[row])), why)
    is_told = np.ones(groups.keys.size, dtype=np.bool_)
    is_told[list(lost)] = False

    def told_sums(column: NDArray[Any]) -> NDArray[Any]:
        # of a sum nothing is known where nobody can tell a part
        return np.where(is_told, sums(column), 0)

    length_ms = lengths_ms(buckets, rows, now)
    # where nothing emits there is nothing to expect
    expected_ms = np.maximum(1.0, sums(length_ms))
    known_ms: Integers = np.sum(list(rows.methods_ms.values()), axis=0)
    covered_ms = told_sums(np.minimum(np.minimum(rows.covered_ms, known_ms), length_ms))
    by_method = share_columns(
        expected_ms,
        {
            name: told_sums(np.minimum(times, length_ms) if covers else times)
            for (name, times), covers in zip(rows.methods_ms.items(), METHODS_COVER, strict=True)
        },
    )
    known = groups.any(rows.known[members] & is_emission) & is_told
    masses_kg = {mass.answer: kg_column(sums(rows.masses_ug[mass.name])) for mass in MASSES}
    low, high = _bands(part, buckets, rows, group_of, len(named))
    _, stale = stale_shares(part, buckets, rows, now)
    return {
        "time": Instants(buckets.begins_us, bucket),
        "facility": Words([facility for facility, _ in named], group),
        "scope": _numbered(named, group, is_asked=by == "scope"),
        "sources": Numbers(sums(np.ones(rows.source.size, dtype=np.int64))),
        **{name: Numbers(column, known) for name, column in masses_kg.items()},
        "coverage": Numbers(rounded(covered_ms / expected_ms)),
        "quality": Words(QUALITIES, quality_column(by_method)),
        "state": Words(STATES, groups.all(rows.final[members]).astype(np.int64)),
        "co2_low_kg": Numbers(low, known & ~np.isnan(low)),
        "co2_high_kg": Numbers(high, known & ~np.isnan(high)),
        **{f"share_{method}": Numbers(share) for method, share in by_method.items()},
        "reason": reasons(sums(rows.voided_hours), lost),
        "stale_factor_share": Numbers(
            rounded(np.minimum(1.0, told_sums(length_ms * stale) / expected_ms))
        ),
        "scope3_category": _numbered(named, group, is_asked=by == "category"),
        "evidence": Words([str(key) if by == "evidence" else None for _, key in named], group),
        **evidence_shares(part, rows, sums, known),
        **level_columns(levels, groups.keys.size, told_sums),
        **(nothing_removed(group.size) if removal is None else removal),
        **stated_columns(
            stated,
            [
                (facility, key if isinstance(key, int) else None)
                if by in {"facility", "scope"}
                else None
                for facility, key in named
            ],
            group,
            (buckets.begins_us[bucket], np.minimum(buckets.ends_us[bucket], to_us(now))),
            ZoneInfo(part.timezone),
        ),
    }


def _numbered(named: Sequence[Group], group: Integers, *, is_asked: bool) -> Numbers:
    numbers = np.array([key if isinstance(key, int) else 0 for _, key in named], dtype=np.int64)
    return Numbers(numbers[group], (numbers[group] > 0) & is_asked)


def _bands(
    part: Series, buckets: Buckets, rows: EmissionColumns, group_of: Integers, groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the 95 % interval of the CO2 of each bucket and group; NaN: not known.

    What shares a meter or a factor is wrong by the same percentage, so each sum is one of its own.
    """
    ends = np.full((2, len(buckets), groups), np.nan)
    known = rows.known.reshape(len(buckets), -1)
    co2_ug = rows.masses_ug["co2_ug"].reshape(len(buckets), -1)
    zone = ZoneInfo(part.timezone)
    for group in range(groups):
        sources = [s for s in np.flatnonzero(group_of == group).tolist() if part.sources[s].counts]
        accounts = {s: part.sources[s].account for s in sources}
        if not any(account is not None and account.meters for account in accounts.values()):
            continue
        for number, bucket in enumerate(buckets):
            low_kg, high_kg = band_kg(
                [
                    SourceMass(
                        account=accounts[s],
                        co2_ug=int(co2_ug[number, s]),
                        begins=bucket.begins,
                        ends=bucket.ends,
                    )
                    for s in sources
                    if known[number, s]
                ],
                zone,
            )
            if low_kg is not None:
                ends[:, number, group] = low_kg, high_kg
    return ends[0].ravel(), ends[1].ravel()
