"""The rows of ``GET /v1/readings``: channels put together in order of time, and cut to pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Instants, Numbers, Table, Words
from services.api.http.cursors import Cursor
from services.api.http.pages import Links, Paged
from services.api.http.row_order import RowOrder, RowPlace, page_of_rows
from services.api.http.shapes import Shape
from services.api.models.readings import ReadingRow
from services.core.store.readings.chart import QUALITIES, ChartReadings

ROWS = Shape(ReadingRow)


class Place(NamedTuple):
    """Where a page of rows ended."""

    time: datetime
    facility: str
    device: str
    channel: str


PAGES: Links[Place] = Links("/v1/readings", Cursor(Place))


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The rows of one channel."""

    facility: str
    device: str
    channel: str
    unit: str
    derived: bool
    readings: ChartReadings

    @property
    def thinned(self) -> bool:
        """Whether there are more readings than these."""
        return self.readings.thinned

    @property
    def name(self) -> tuple[str, str, str]:
        """What rows of one instant are ordered by."""
        return self.facility, self.device, self.channel


def table(parts: Sequence[Part]) -> Table:
    """Put rows in order of time, facility, device and channel."""
    return _table(parts, _order(parts).rows)


def page_of(
    parts: Sequence[Part], after: Place | None, limit: int, query: Paged, **resolved: str
) -> tuple[Table, dict[str, str]]:
    """Put rows in order, and cut them to those after a place; a header leads to the rest.

    ``parts`` have ``limit`` rows more than the place leaves out, as far as there are any, and one.
    """
    order = _order(parts, after, limit)
    headers = PAGES.of_rows(
        order, limit, lambda place: Place(place.time, *place.name), query, **resolved
    )
    return _table(parts, order.rows), headers


def _order(parts: Sequence[Part], after: Place | None = None, limit: int | None = None) -> RowOrder:
    if not parts:
        return page_of_rows(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), [])
    return page_of_rows(
        _joined(parts, "ts_us"),
        _part_of_row(parts),
        [part.name for part in parts],
        after=None if after is None else RowPlace(after.time, after[1:]),
        limit=limit,
    )


def _part_of_row(parts: Sequence[Part]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(parts)), [len(part.readings.series) for part in parts])


def _joined(parts: Sequence[Part], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(part.readings.series, name) for part in parts])


def _table(parts: Sequence[Part], rows: NDArray[np.int64]) -> Table:
    if not parts:
        return ROWS.table_of([])
    part_of_row = _part_of_row(parts)[rows]

    def of_part(name: str) -> Words:
        return Words([getattr(channel, name) for channel in parts], part_of_row)

    def of_row(name: str) -> NDArray[Any]:
        return _joined(parts, name)[rows]

    over = np.concatenate([channel.readings.over_full_scale for channel in parts])
    return ROWS.table(
        {
            "time": Instants(of_row("ts_us"), np.arange(rows.size)),
            "device": of_part("device"),
            "channel": of_part("channel"),
            "value": Numbers(of_row("value"), ~of_row("missing")),
            "unit": of_part("unit"),
            "quality": Words(QUALITIES, of_row("quality")),
            "facility": of_part("facility"),
            "over_full_scale": Numbers(over[rows]),
            "derived": of_part("derived"),
            "thinned": of_part("thinned"),
        }
    )
