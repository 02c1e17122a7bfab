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
from services.api.http.shapes import Shape
from services.api.models.readings import ReadingRow
from services.core.store.readings.chart import QUALITIES, ChartReadings
from services.core.timeline.instants import from_us, to_us

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
    in_order = sorted(parts, key=lambda part: part.name)
    return _table(in_order, *_order(in_order))


def page_of(
    parts: Sequence[Part], after: Place | None, limit: int, query: Paged, **resolved: str
) -> tuple[Table, dict[str, str]]:
    """Put rows in order, and cut them to those after a place; a header leads to the rest.

    ``parts`` have ``limit`` rows more than the place leaves out, as far as there are any, and one.
    """
    in_order = sorted(parts, key=lambda part: part.name)
    order, part_of_row = _order(in_order)
    headers: dict[str, str] = {}
    if after is not None:
        ts_us = _joined(in_order, "ts_us")[order]
        is_after = np.array([part.name > after[1:] for part in in_order], dtype=np.bool_)
        chosen = (ts_us > to_us(after.time)) | is_after[part_of_row]
        order, part_of_row = order[chosen], part_of_row[chosen]
    if order.size > limit:
        order, part_of_row = order[:limit], part_of_row[:limit]
        last_us = int(_joined(in_order, "ts_us")[order[-1]])
        place = Place(from_us(last_us), *in_order[part_of_row[-1]].name)
        headers = PAGES.next_page(place, query, **resolved)
    return _table(in_order, order, part_of_row), headers


def _order(parts: Sequence[Part]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of all parts in order of time, and of each its part."""
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    order = np.argsort(_joined(parts, "ts_us"), kind="stable")
    return order, np.repeat(np.arange(len(parts)), [len(p.readings.series) for p in parts])[order]


def _joined(parts: Sequence[Part], name: str) -> NDArray[Any]:
    return np.concatenate([getattr(part.readings.series, name) for part in parts])


def _table(
    parts: Sequence[Part], order: NDArray[np.int64], part_of_row: NDArray[np.int64]
) -> Table:
    if not parts:
        return ROWS.table_of([])

    def of_part(name: str) -> Words:
        return Words([getattr(channel, name) for channel in parts], part_of_row)

    def of_row(name: str) -> NDArray[Any]:
        return _joined(parts, name)[order]

    over = np.concatenate([channel.readings.over_full_scale for channel in parts])
    return ROWS.table(
        {
            "time": Instants(of_row("ts_us"), np.arange(order.size)),
            "device": of_part("device"),
            "channel": of_part("channel"),
            "value": Numbers(of_row("value"), ~of_row("missing")),
            "unit": of_part("unit"),
            "quality": Words(QUALITIES, of_row("quality")),
            "facility": of_part("facility"),
            "over_full_scale": Numbers(over[order]),
            "derived": of_part("derived"),
            "thinned": of_part("thinned"),
        }
    )
