from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors_sim.noise import Noise
from sensors_sim.registers import DAY_MS, EPOCH_MS, HOUR_MS, LoadProfile, Register

SOME_DAY_MS = EPOCH_MS + 2_400 * DAY_MS
PROFILE = LoadProfile(
    mean_per_hour=100.0, hours=(0.5,) * 12 + (1.5,) * 12, weekdays=(1.0,) * 5 + (0.5,) * 2
)


def register(seed: int = 1) -> Register:
    return Register(profile=PROFILE, noise=Noise.named(seed, "a", "b"), start=12.5)


REGISTER = register()


@pytest.mark.thorough
@given(st.lists(st.integers(EPOCH_MS, SOME_DAY_MS), min_size=1, max_size=8))
def test_a_reading_depends_on_seed_and_time_alone(times: list[int]) -> None:
    fresh = register()
    assert [fresh.reading(t) for t in times] == [REGISTER.reading(t) for t in times]
    assert [fresh.load(t) for t in times] == [REGISTER.load(t) for t in times]


def test_another_seed_gives_another_register() -> None:
    assert register(2).reading(SOME_DAY_MS) != REGISTER.reading(SOME_DAY_MS)


@given(st.integers(EPOCH_MS, SOME_DAY_MS), st.integers(0, 3 * DAY_MS))
def test_a_register_never_falls(from_ms: int, span_ms: int) -> None:
    assert REGISTER.reading(from_ms + span_ms) >= REGISTER.reading(from_ms)


def test_a_register_rises_smoothly_over_midnight_and_every_node() -> None:
    times = range(SOME_DAY_MS - HOUR_MS, SOME_DAY_MS + HOUR_MS, 1000)
    steps = [b - a for a, b in pairwise(map(REGISTER.reading, times))]
    assert min(steps) > 0.0
    assert max(steps) < 200.0 / 3600.0


def test_the_register_rises_by_the_load() -> None:
    from_ms = SOME_DAY_MS + 5 * HOUR_MS
    rise = REGISTER.reading(from_ms + HOUR_MS) - REGISTER.reading(from_ms)
    loads = [REGISTER.load(from_ms + s * 1000) for s in range(3600)]
    assert rise == pytest.approx(sum(loads) / 3600.0, rel=1e-4)


def test_weekends_and_nights_are_quieter() -> None:
    monday_ms = 1_793_577_600_000
    days = [
        REGISTER.reading(monday_ms + (d + 1) * DAY_MS) - REGISTER.reading(monday_ms + d * DAY_MS)
        for d in range(7)
    ]
    assert max(days[5:]) < min(days[:5])
    assert REGISTER.load(monday_ms + 3 * HOUR_MS) < REGISTER.load(monday_ms + 15 * HOUR_MS)


def test_there_is_no_reading_before_the_register_began() -> None:
    with pytest.raises(ValueError, match="before 2020-01-01"):
        REGISTER.reading(EPOCH_MS - 1)


@given(st.integers(-(2**40), 2**40))
def test_noise_stays_within_its_limits(index: int) -> None:
    assert -1.0 <= Noise.named(3, "x").at(index) < 1.0
