"""Groups of sources follow the rules of live totals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.api.models.emission_groups import By, group_columns
from services.api.models.emission_table import ListedSource, Series
from services.api.models.stale import StaleSource
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.emissions import BY_METHODS, EmissionColumns
from services.core.store.answers.facility_queries import SourceRow
from services.core.store.schema.figures import MASSES, METHODS_MS, names
from services.core.timeline.instants import EPOCH, HOUR

HOURS = Buckets.between([EPOCH, EPOCH + HOUR, EPOCH + 2 * HOUR])
Row = dict[str, Any]
HOUR_MS = HOUR // timedelta(milliseconds=1)


def listed(slug: str, scope: int) -> ListedSource:
    return ListedSource(
        facility="works",
        source=SourceRow(
            id=scope, slug=slug, name=slug, scope=scope, method="activity", activity_unit="kWh"
        ),
        account=None,
        stale=StaleSource(why="a newer one is out", since=EPOCH),
    )


def groups_of_two(is_told: NDArray[np.int64], unknown: dict[int, str], by: By) -> list[Row]:
    """Put two sources together in two hours; what is not told of them is ``unknown``."""
    rows = EmissionColumns(
        bucket=np.array([0, 0, 1, 1]),
        source=np.array([0, 1, 0, 1]),
        known=is_told > 0,
        masses_ug=dict.fromkeys(names(MASSES), 10**9 * is_told),
        activity_n=is_told,
        has_activity=is_told > 0,
        exported_n=0 * is_told,
        covered_ms=HOUR_MS * is_told,
        methods_ms={
            name: HOUR_MS * is_told * (number == 0) for number, name in enumerate(METHODS_MS)
        },
        version=is_told,
        final=is_told > 0,
        quality=np.full(4, BY_METHODS),
        code=np.full(4, -1),
        codes=(),
        voided_hours=0 * is_told,
        unknown=unknown,
    )
    part = Series(timezone="UTC", sources=(listed("a", 1), listed("b", 2)))
    columns = group_columns(part, HOURS, rows, EPOCH + 9 * HOUR, by, {})
    return [
        dict(zip(columns, cells, strict=True))
        for cells in zip(*(column.cells() for column in columns.values()), strict=True)
    ]


@pytest.mark.parametrize("by", ["facility", "scope"])
def test_of_a_sum_nothing_is_known_where_nobody_can_tell_a_part(by: By) -> None:
    # of the second hour of the first source nobody can tell
    groups = groups_of_two(np.array([1, 1, 0, 1]), {2: "its readings are kept no longer"}, by)
    shown = ("co2_kg", "coverage", "quality", "share_measured", "share_missing",
             "stale_factor_share", "state", "reason")  # fmt: skip
    lost = (None, 0, "missing", 0, 1, 0, "provisional", "its readings are kept no longer")
    size = 2.0 if by == "facility" else 1.0
    known = (size, 1, "measured", 1, 0, 1, "final", None)
    expected = [known, lost] if by == "facility" else [known, known, lost, known]
    assert [tuple(group[name] for name in shown) for group in groups] == expected


def test_of_several_parts_that_nobody_can_tell_the_first_says_why() -> None:
    unknown = {2: "its readings are kept no longer", 3: "its day is archived"}
    groups = groups_of_two(np.array([1, 1, 0, 0]), unknown, "facility")
    assert [group["reason"] for group in groups] == [None, "its readings are kept no longer"]
