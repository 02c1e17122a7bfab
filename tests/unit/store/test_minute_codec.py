"""Packed minutes come back to the bit; what is computed of amounts is told, not stored."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from services.core.accounting.minute_rounding import billionths
from services.core.store.emissions.packing.codec import Factors, pack, pack_days, unpack
from services.core.store.emissions.packing.columns import COLUMNS, NULLABLE, MinuteColumns
from services.core.store.emissions.packing.days import unpacked
from services.core.store.packing.blobs import DamagedError
from services.core.store.packing.days import DamagedDayError
from services.core.store.schema.figures import MASSES, names
from services.core.timeline.instants import DAY_MINUTES

DAY = 20_500
FIRST = DAY * DAY_MINUTES
OLD, NEW = 0.2532, 0.2123


def factors(*pieces: tuple[int, float]) -> list[Factors]:
    return [
        Factors(first=first, per_unit_kg={**dict.fromkeys(names(MASSES), kg), "market_ug": kg / 3})
        for first, kg in pieces
    ]


def minutes(
    activity: np.ndarray, held: Sequence[Factors] = (), size: int = DAY_MINUTES
) -> MinuteColumns:
    minute = FIRST + np.arange(size)
    known = np.ones(size, dtype=bool)
    figures = {name: np.zeros(size, dtype=np.int64) for name in names(COLUMNS)}
    figures["activity_n"] = billionths(minute, known, activity)
    figures["covered_ms"][:] = 60_000
    for piece in held:
        for name, kg in piece.per_unit_kg.items():
            here = minute >= piece.first
            figures[name][here] = billionths(minute, known, activity * kg)[here]
    return MinuteColumns(
        minute=minute,
        figures=figures,
        unknown={name: np.zeros(size, dtype=bool) for name in names(NULLABLE)},
        activity=activity,
        without_activity=np.zeros(size, dtype=bool),
    )


def metered(seed: int = 1) -> np.ndarray:
    return np.round(np.random.default_rng(seed).uniform(0, 3, DAY_MINUTES), 3)


def same(packed: bytes, of: MinuteColumns) -> bool:
    back = unpack(packed)
    return (
        back.digest() == of.digest()
        and np.array_equal(back.activity.view(np.int64), of.activity.view(np.int64))
        and all(np.array_equal(back.figures[n], of.figures[n]) for n in names(COLUMNS))
        and all(np.array_equal(back.unknown[n], of.unknown[n]) for n in names(NULLABLE))
    )


def test_masses_that_factors_make_take_no_room() -> None:
    held = factors((FIRST - 9, OLD), (FIRST + 700, NEW))
    day = minutes(metered(), held)
    by_factor, stored = pack(day, held), pack(day)
    assert same(by_factor, day)
    assert same(stored, day)
    assert len(by_factor) < len(pack(minutes(metered()))) + 200 < len(stored) / 2


def test_a_mass_that_differs_in_one_minute_is_kept_as_it_is() -> None:
    held = factors((FIRST, OLD))
    day = minutes(metered(), held)
    day.figures["co2_ug"][77] += 1
    packed = pack(day, held)
    assert same(packed, day)
    assert unpack(packed).figures["co2_ug"][77] == day.figures["co2_ug"][77]


def test_whatever_stands_in_a_minute_comes_back() -> None:
    rng = np.random.default_rng(3)
    for size in (1, 2, 59, DAY_MINUTES):
        activity = rng.normal(0, 1e3, size)
        activity[:1] = rng.choice([np.nan, -0.0, np.inf, 5e-324, -1e300])
        with np.errstate(all="ignore"):
            day = minutes(activity, (), size)
        for name in names(COLUMNS):
            if rng.random() < 0.6:
                day.figures[name][:] = rng.integers(-(2**62), 2**62, size)
        day.figures["co2e_ug"][:] = day.figures["co2_ug"]
        day.unknown["activity_n"][:] = rng.random(size) < 0.3
        day.figures["activity_n"][day.unknown["activity_n"]] = 0
        day.without_activity[:] = rng.random(size) < 0.3
        day.activity[day.without_activity] = 0
        held = factors((FIRST, OLD)) if size % 2 else ()
        assert same(pack(day, held), day)
        only = unpack(pack(day, held), {"closing_ug"})
        assert np.array_equal(only.figures["closing_ug"], day.figures["closing_ug"])
        assert not only.figures["covered_ms"].any()


def test_a_column_of_zeros_is_not_in_the_digest() -> None:
    """One more figure, which old minutes have nothing of, leaves old digests as they are."""
    day = minutes(metered())
    digest = day.digest()
    assert not day.figures["exported_n"].any()
    day.figures["exported_n"][5] = 1
    assert day.digest() != digest


def test_damage_is_told() -> None:
    packed = pack(minutes(metered()))
    for position in range(0, len(packed), 97):
        broken = bytearray(packed)
        broken[position] ^= 4
        with pytest.raises(DamagedError):
            unpack(bytes(broken))
    with pytest.raises(DamagedDayError, match=r"minutes of source 7 on 2026-02-16 .* checksum"):
        unpacked(7, DAY, packed[:-1] + b"x")
    with pytest.raises(DamagedDayError, match="not of that day"):
        unpacked(7, DAY + 1, packed)


def test_days_that_are_packed_together_are_what_each_is_by_itself() -> None:
    held = factors((FIRST - 9, OLD), (FIRST + 700, NEW))
    run = minutes(metered(), held)
    run.figures["co2_ug"][77] += 1
    run.figures["covered_ms"][900:] = 0
    run.without_activity[500] = run.unknown["activity_n"][500] = True
    run.activity[500] = run.figures["activity_n"][500] = 0
    bounds = np.array([0, 1, 400, 700, 1000, run.minute.size])
    parts = [run.where(slice(low, high)) for low, high in pairwise(bounds.tolist())]
    packed = pack_days(run, bounds, held)
    assert all(same(*both) for both in zip(packed, parts, strict=True))
    assert packed == [pack(part, held) for part in parts]
    assert run.digests(bounds) == [part.digest() for part in parts]
