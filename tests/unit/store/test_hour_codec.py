"""Hours of a source and month as bytes: every bit comes back, and damage is told."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.core.store.emissions.hour_packing import codec
from services.core.store.emissions.hour_packing.columns import HourColumns, Words
from services.core.store.emissions.hour_packing.months import months_of
from services.core.store.packing.blobs import DamagedError
from services.core.store.schema.figures import IN_HOURS, names
from services.core.store.schema.hour_packing import NULLABLE
from services.core.timeline.instants import to_us
from tests.integration.aggregator.plant import instant

_BOUNDS = (-(2**63), 2**63 - 1)
_WORDS = (
    None,
    "",
    "measured",
    "a figure changed: 0.2 -> 0.3\n",
    "\u00e9\u20ac\U0001f300",
    "co2:07",
)


def _some(seed: int, size: int | None = None) -> HourColumns:
    """Columns that are constant, rise, hold the extremes or anything."""
    rng = random.Random(seed)
    size = rng.choice([0, 1, 2, 20]) if size is None else size

    def integers(low: int, high: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        one = rng.randint(low, high)
        some = rng.choice([[0], [one], [low, high], None])
        values = [rng.choice(some) if some else rng.randint(low, high) for _ in range(size)]
        return np.array(values, dtype=np.int64)

    def flags() -> np.ndarray[Any, np.dtype[np.bool_]]:
        share = rng.choice([0, 0.5, 1])
        return np.array([rng.random() < share for _ in range(size)], dtype=np.bool_)

    def words() -> Words:
        return Words.of_texts([rng.choice(_WORDS) for _ in range(size)])

    figures = {name: integers(*_BOUNDS) for name in names(IN_HOURS)}
    if rng.random() < 0.5:
        figures["market_ug"] = figures["co2_ug"]
    return HourColumns(
        hour=np.sort(integers(-(10**6), 10**6)),
        figures=figures,
        unknown={name: flags() for name in names(NULLABLE)},
        version=integers(1, 2**31 - 1),
        final=flags(),
        quality=words(),
        code=words(),
        reason=words(),
        known_us=integers(-(2**60), 2**60),
        last_us=integers(-(2**60), 2**60),
    )


@pytest.mark.parametrize("seed", range(40))
def test_every_bit_comes_back(seed: int) -> None:
    hours = _some(seed)
    assert codec.unpack(codec.pack(hours)).is_same(hours)
    nothing = np.zeros(len(hours), dtype=np.int64)
    no_reason = Words(places=nothing - 1, words=())
    undated = replace(hours, known_us=nothing, last_us=nothing, reason=no_reason)
    assert codec.unpack(codec.pack(hours), dated=False).is_same(undated)


def test_damage_is_told() -> None:
    packed = bytearray(codec.pack(_some(3, size=20)))
    for place in range(len(packed)):
        packed[place] ^= 1 + place % 255
        with pytest.raises(DamagedError):
            codec.unpack(bytes(packed))
        with pytest.raises(DamagedError):
            codec.unpack(bytes(packed[:place]))
        packed[place] ^= 1 + place % 255
    assert len(codec.unpack(bytes(packed))) == 20


def test_joined_columns_are_those_of_each() -> None:
    parts = [_some(seed) for seed in range(9)]
    joined = HourColumns.joined(parts)
    assert joined.reason.texts() == [text for part in parts for text in part.reason.texts()]
    assert joined.hour.tolist() == [hour for part in parts for hour in part.hour.tolist()]


@pytest.mark.parametrize(
    ("hour", "month"),
    [
        ("1969-12-31T23:00:00Z", 1969 * 12 + 11),
        ("1970-01-01T00:00:00Z", 1970 * 12),
        ("2024-02-29T23:00:00Z", 2024 * 12 + 1),
        ("2024-03-01T00:00:00Z", 2024 * 12 + 2),
    ],
)
def test_an_hour_is_of_the_month_that_holds_it(hour: str, month: int) -> None:
    hours = np.array([to_us(instant(hour)) // 3_600_000_000])
    assert months_of(hours).tolist() == [month]
