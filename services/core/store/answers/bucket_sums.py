"""Sums of hours: what buckets of whole hours are made of, whoever added them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.core.store.answers.buckets import Integers
from services.core.store.answers.grouping import Booleans, Groups
from services.core.store.answers.hour_columns import HourColumns
from services.core.store.schema.figures import SUMMED_AMOUNTS, names

#: How many hours there are, and of them: with a figure, final, without a value by their rule, and
#: of these qualities.
COUNTS: Final = ("hours", "known", "final", "voided", "missing", "partial", "substituted")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HourSums:
    """Sums of hours of a source, each of which lies in one bucket; they add up to such again."""

    source_id: Integers
    #: index into the buckets asked for
    bucket: Integers
    #: by name, all of ``COUNTS``
    counts: Mapping[str, Integers]
    #: by name, all of ``SUMMED_AMOUNTS``: of the hours with a figure
    amounts: Mapping[str, NDArray[Any]]
    #: without it ``activity_n`` is not known
    has_activity: Booleans
    covered_ms: Integers
    #: by name, all of ``METHODS_MS``
    methods_ms: Mapping[str, Integers]
    #: the highest
    version: Integers

    def grouped(self, groups: Groups) -> HourSums:
        """Add up the rows of each group, which are of one source and bucket."""
        return HourSums(
            source_id=groups.largest(self.source_id),
            bucket=groups.largest(self.bucket),
            counts={name: groups.sums(column) for name, column in self.counts.items()},
            amounts={name: groups.sums(column) for name, column in self.amounts.items()},
            has_activity=groups.any(self.has_activity),
            covered_ms=groups.sums(self.covered_ms),
            methods_ms={name: groups.sums(column) for name, column in self.methods_ms.items()},
            version=groups.largest(self.version),
        )


def of_hours(hours: HourColumns, bucket: Integers) -> HourSums:
    """Return each hour as a sum of one; ``bucket``: in which each lies."""
    methods_ms = hours.methods_ms
    known = sum(methods_ms.values()) > 0
    one = np.ones(len(hours), dtype=np.int64)
    return HourSums(
        source_id=hours.source_id,
        bucket=bucket,
        counts={
            "hours": one,
            "known": one * known,
            "final": one * hours.final,
            "voided": one * hours.has_no_value,
            **{
                word: one * hours.is_quality(word) for word in ("missing", "partial", "substituted")
            },
        },
        amounts={name: hours.figures[name] * known for name in names(SUMMED_AMOUNTS)},
        has_activity=hours.has_activity & known,
        covered_ms=hours.figures["covered_ms"],
        methods_ms=methods_ms,
        version=hours.version,
    )
