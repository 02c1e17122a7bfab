"""The windows of a live answer, from the columns that the database sends them in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.core.store.database.arrays import PackedRows
from services.core.store.schema.figures import (
    IN_WINDOWS,
    MASSES,
    METHOD_TIMES,
    OF_COVERED,
    WINDOW_AMOUNTS,
    WITHOUT_BOUNDS,
    Figure,
    names,
)
from services.core.timeline.instants import MINUTE_US

_MILLISECOND_US = 1000

#: Times of windows are sent packed; what has no bounds is sent otherwise.
_TIMES: Final = names(figure for figure in IN_WINDOWS if figure not in WITHOUT_BOUNDS)

_WINDOW: Final = PackedRows(
    source_id="int4",
    same_period="bool",
    **dict.fromkeys(("since", "upto", "begins", "at", "gone_at"), "timestamptz"),
    **dict.fromkeys(_TIMES, "int8"),
)
_RANGE: Final = PackedRows(
    source_id="int4",
    lo="timestamptz",
    hi="timestamptz",
    **dict.fromkeys(_TIMES, "int8"),
)

#: SQL of what of windows, and of the minutes beside them, the statement sends.
WINDOWS_PACKED: Final[LiteralString] = _WINDOW.sql(
    "source_id",
    "same_period",
    "since",
    "upto",
    "begins",
    "at",
    "least(at + interval '1 minute', gone_at)",
    *_TIMES,
)
RANGES_PACKED: Final[LiteralString] = _RANGE.sql("source_id", "lo", "hi", *_TIMES)

Integers = NDArray[np.int64]


class SpanTotal(NamedTuple):
    """What one source emitted in one window."""

    #: in the order of ``MASSES``, CO2 first
    masses_ug: tuple[int, ...]
    #: in the order of ``WINDOW_AMOUNTS``, in billionths of the source's activity unit
    amounts_n: tuple[int, ...]
    covered_ms: int
    #: the time of each method, in the order of ``SHARES``: first what is covered and got by no
    #: other method, or found valid as a whole by the rule that the hour is under
    methods_ms: tuple[int, ...]
    #: length of the window
    window_ms: int
    #: how much of it the source was there
    expected_ms: int
    #: of the past: why nobody can tell any more what was known
    unknown: str | None = None

    @property
    def co2_ug(self) -> int:
        """The mass of CO2."""
        return self.masses_ug[0]

    @property
    def is_known(self) -> bool:
        """Whether anything is known of the window."""
        return self.unknown is None and (sum(self.methods_ms) > 0 or any(self.masses_ug))


def windows(row: Mapping[Any, Any]) -> dict[int, dict[str, SpanTotal]]:
    """Compute totals by source and span.

    Of each window: the stored total, if it is one of the same period, plus the minutes that came
    since, minus those that left. Of one of the same period the former lie after ``upto``, the
    latter from ``since`` to before it ``begins``; of any other all of its minutes came.
    """
    window, ranges = _WINDOW.columns(row["window_packed"]), _RANGE.columns(row["range_packed"])
    sources, same_period = window["source_id"].tolist(), window["same_period"]
    since, last_minute, begins, end_minute = (
        window[name] for name in ("since", "upto", "begins", "at")
    )
    # a range without minutes is not sent: it is the last one, of nothing
    places = {
        key: place
        for place, key in enumerate(
            zip(*(ranges[name].tolist() for name in ("source_id", "lo", "hi")), strict=True)
        )
    }
    came_from = np.where(same_period, last_minute + MINUTE_US, begins)
    came = [
        places.get(key, -1)
        for key in zip(sources, came_from.tolist(), end_minute.tolist(), strict=True)
    ]
    # a window of another period loses nothing: its total was of another period
    went_upto = np.where(same_period, begins - MINUTE_US, since - 1)
    went = [
        places.get(key, -1) for key in zip(sources, since.tolist(), went_upto.tolist(), strict=True)
    ]

    def of_windows(figures: Iterable[Figure]) -> list[Iterable[int]]:
        return [_unbounded(row, f.name, same_period.tolist(), came, went) for f in figures]

    sent = {name: _time(window[name], ranges[name], same_period, came, went) for name in _TIMES}
    measured = sent["covered_ms"] + sent["closing_ms"]
    for time in OF_COVERED:
        measured = measured - sent[time.name]
    methods = (measured, *(sent[time.name] for time in METHOD_TIMES))
    # what readings cover of hours that their rule closed without a value is in no total
    covered = np.minimum(sent["covered_ms"], sum(methods))
    lengths = (
        (end_minute + MINUTE_US - begins) // _MILLISECOND_US,
        np.maximum(window["gone_at"] - begins, 0) // _MILLISECOND_US,
    )
    by_source: dict[int, dict[str, SpanTotal]] = {}
    totals = map(
        SpanTotal,
        zip(*of_windows(MASSES), strict=True),
        zip(*of_windows(WINDOW_AMOUNTS), strict=True),
        covered.tolist(),
        zip(*(time.tolist() for time in methods), strict=True),
        *(length.tolist() for length in lengths),
    )
    for source, window_name, total in zip(sources, row["window_span"] or (), totals, strict=True):
        by_source.setdefault(source, {})[window_name] = total
    return by_source


def _unbounded(
    row: Mapping[Any, Any],
    name: str,
    same_period: Iterable[bool],
    came: Iterable[int],
    went: Iterable[int],
) -> Iterable[int]:
    """Add up whole numbers of any size."""
    stood = map(int, (row[f"window_{name}"] or "").split())
    of_range = [*map(int, (row[f"range_{name}"] or "").split()), 0]
    return (
        keeps * amount + of_range[comes] - of_range[goes]
        for keeps, amount, comes, goes in zip(same_period, stood, came, went, strict=True)
    )


def _time(
    window: Integers,
    ranges: Integers,
    same_period: NDArray[np.bool_],
    came: list[int],
    went: list[int],
) -> Integers:
    of_range = np.append(ranges, 0)
    total: Integers = same_period * window + of_range[came] - of_range[went]
    return total
