from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.accounting.register_plausibility import Floats, Ints
from services.core.accounting.registers import (
    LOOK_AROUND,
    Epoch,
    RegisterConfig,
    RegisterSteps,
    steps,
)

MINUTE = 60_000_000
MODULUS = 1000.0

#: Registers of every kind: slow, flat, resetting, misread, leaping, rolling over.
MOVES = st.sampled_from([0.0, 0.1, 0.1, 0.3, 0.5, 2.0, 40.0, 300.0, -0.2, -5.0, -400.0])
SPACING = st.sampled_from([1_000_000, MINUTE, MINUTE, 15 * MINUTE, 300 * MINUTE])
CONFIGS = st.sampled_from(
    [
        RegisterConfig(),
        RegisterConfig(max_rate_per_h=20.0),
        RegisterConfig(max_rate_per_h=20.0, modulus=MODULUS),
        RegisterConfig(modulus=MODULUS),
        RegisterConfig(
            max_rate_per_h=20.0,
            modulus=MODULUS,
            epochs=(
                Epoch(from_us=30 * MINUTE, start=3.0, reason="replacement"),
                Epoch(from_us=400 * MINUTE, reason="unknown"),
            ),
        ),
    ]
)


@st.composite
def registers(draw: st.DrawFn, max_size: int = 40) -> tuple[Ints, Floats]:
    """Ascending times and what the register showed, any way it may go."""
    size = draw(st.integers(0, max_size))
    spacing = draw(st.lists(SPACING, min_size=size, max_size=size))
    moves = draw(st.lists(MOVES, min_size=size, max_size=size))
    glitches = draw(st.lists(st.integers(0, 12), min_size=size, max_size=size))
    ts = np.cumsum(np.array(spacing, dtype=np.int64))
    value, shown = 500.0, []
    for move, glitch in zip(moves, glitches, strict=True):
        value = (value + move) % MODULUS
        shown.append({0: 0.0, 1: 999.0}.get(glitch, round(value, 1)))
    return ts, np.array(shown)


def _same(one: RegisterSteps, other: RegisterSteps) -> bool:
    return (
        one.t0_us.tolist() == other.t0_us.tolist()
        and one.t1_us.tolist() == other.t1_us.tolist()
        and one.amount.tolist() == other.amount.tolist()
        and one.unconfirmed == other.unconfirmed
        and one.incidents == other.incidents
    )


def _overlapping(result: RegisterSteps, first_us: int, last_us: int) -> list[object]:
    rows: list[object] = [
        (t0, t1, amount)
        for t0, t1, amount in zip(
            result.t0_us.tolist(), result.t1_us.tolist(), result.amount.tolist(), strict=True
        )
        if t1 > first_us and t0 < last_us
    ]
    rows.extend(
        each for each in result.unconfirmed if each.t1_us > first_us and each.t0_us < last_us
    )
    rows.extend(each for each in result.incidents if each.t1_us > first_us and each.t0_us < last_us)
    return rows


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=50),
    st.floats(0, 1e6),
    st.booleans(),
)
def test_within_an_epoch_the_deltas_add_up_to_end_minus_start(
    rises: list[float], start: float, bounded: bool
) -> None:
    value = np.cumsum([start, *rises])
    ts = np.arange(value.size, dtype=np.int64) * 60 * MINUTE
    config = RegisterConfig(max_rate_per_h=5.0 if bounded else None)
    result = steps(ts, value, config)
    assert result.amount.sum() == pytest.approx(value[-1] - value[0], abs=1e-6)
    assert result.incidents == ()


@settings(deadline=None)
@given(registers(), CONFIGS, st.randoms(use_true_random=False))
def test_order_and_duplicates_of_the_same_readings_change_nothing(
    readings: tuple[Ints, Floats], config: RegisterConfig, random: object
) -> None:
    ts, value = readings
    arrived = list(zip(ts.tolist(), value.tolist(), strict=True)) * 2
    random.shuffle(arrived)  # type: ignore[attr-defined]
    stored = dict(arrived)
    again = np.array(sorted(stored), dtype=np.int64)
    shown = np.array([stored[each] for each in sorted(stored)], dtype=np.float64)
    assert _same(steps(ts, value, config), steps(again, shown, config))


@settings(deadline=None)
@given(registers(), CONFIGS)
def test_no_readings_make_steps_overlap_or_energy_negative_but_by_what_fell(
    readings: tuple[Ints, Floats], config: RegisterConfig
) -> None:
    ts, value = readings
    for size in range(ts.size + 1):
        result = steps(ts[:size], value[:size], config)
        fell = sum(each.counted or 0.0 for each in result.incidents if each.kind == "jitter")
        assert result.amount[result.amount < 0].sum() >= fell - 1e-6
        assert (result.t1_us >= result.t0_us).all()
        assert (result.t0_us[1:] >= result.t1_us[:-1]).all()


@st.composite
def jittering(draw: st.DrawFn, max_size: int = 40) -> tuple[Ints, Floats]:
    """A register that is told now exactly, now rounded or late; some of its readings are lost."""
    size = draw(st.integers(2, max_size))
    rises = draw(
        st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.03, 0.2]), min_size=size, max_size=size)
    )
    told = draw(st.lists(st.sampled_from("eeerrtlL"), min_size=size, max_size=size))
    exact = 300.0 + np.cumsum(rises)
    shown = []
    for i, how in enumerate(told):
        late = exact[max(i - {"l": 1, "L": 3}.get(how, 0), 0)]
        tenths = late * 10
        shown.append({"r": np.rint(tenths) / 10, "t": np.floor(tenths) / 10}.get(how, late))
    ts = np.arange(size, dtype=np.int64) * draw(st.sampled_from([10_000_000, MINUTE, 15 * MINUTE]))
    return ts, np.round(np.array(shown), 3)


def _stretches(ts: Ints, result: RegisterSteps, config: RegisterConfig) -> list[tuple[int, int]]:
    """From which reading to which one nothing but rises and jitter was recognised."""
    breaks = [
        each for each in result.incidents if each.kind not in {"transient", "confirmed", "jitter"}
    ]
    epochs = {each.from_us for each in config.epochs}
    edges = sorted((each.t0_us, each.t1_us) for each in (*breaks, *result.unconfirmed))
    begins = [int(ts[0]), *(t1 for _, t1 in edges)]
    # an epoch begins between two readings, or at one that is the first of it
    ends = [
        int(ts[np.searchsorted(ts, t0, side="left" if t0 in epochs else "right") - 1])
        for t0, _ in edges
        if t0 > ts[0] or (t0 == ts[0] and t0 not in epochs)
    ]
    return list(zip(begins[-len(ends) - 1 :], [*ends, int(ts[-1])], strict=True))


@settings(max_examples=400, deadline=None)
@given(registers() | jittering(), CONFIGS, st.data())
def test_no_stretch_without_a_reset_counts_more_than_its_last_minus_its_first(
    readings: tuple[Ints, Floats], config: RegisterConfig, data: st.DataObject
) -> None:
    begin = data.draw(st.integers(0, readings[0].size))
    window = slice(begin, data.draw(st.integers(begin, readings[0].size)))
    for ts, value in (readings, (readings[0][window], readings[1][window])):
        if not ts.size:
            continue
        result = steps(ts, value, config)
        shown = dict(zip(ts.tolist(), value.tolist(), strict=True))
        for begins, ends in _stretches(ts, result, config):
            inside = (result.t0_us >= begins) & (result.t1_us <= ends)
            risen = shown[ends] - shown[begins]
            assert result.amount[inside].sum() <= max(risen, 0.0) + 1e-6


@settings(max_examples=300, deadline=None)
@given(jittering())
def test_rounding_and_lag_count_what_was_really_counted(readings: tuple[Ints, Floats]) -> None:
    ts, value = readings
    result = steps(ts, value, RegisterConfig())
    if {each.kind for each in result.incidents} <= {
        "transient",
        "jitter",
    } and not result.unconfirmed:
        risen = value[-1] - value[0]
        assert result.amount.sum() == pytest.approx(max(risen, 0.0), abs=0.1 + 1e-6)
        if risen >= 0.1:
            assert result.amount.sum() == pytest.approx(risen, abs=1e-6)


@settings(deadline=None)
@given(registers())
def test_no_step_is_faster_than_the_meter(readings: tuple[Ints, Floats]) -> None:
    config = RegisterConfig(max_rate_per_h=20.0, modulus=MODULUS, resolution=0.1)
    result = steps(*readings, config)
    hours = (result.t1_us - result.t0_us) / 3.6e9
    assert (result.amount <= 20.0 * (hours + 2 / 3600) + 0.1 + 1e-9).all()


@settings(max_examples=250, deadline=None)
@given(registers(60) | jittering(60), CONFIGS, st.integers(0, 60), st.integers(0, 30))
def test_a_window_with_its_look_around_gives_the_same_steps(
    readings: tuple[Ints, Floats], config: RegisterConfig, begin: int, length: int
) -> None:
    ts, value = readings
    begin = min(begin, ts.size)
    end = min(begin + length, ts.size)
    first_us = int(ts[begin]) if begin < ts.size else int(ts[-1] if ts.size else 0) + MINUTE
    last_us = int(ts[end - 1]) if end > begin else first_us + 1
    window = slice(max(begin - LOOK_AROUND, 0), end + LOOK_AROUND)
    part = steps(ts[window], value[window], config)
    whole = steps(ts, value, config)
    assert _overlapping(part, first_us, last_us) == _overlapping(whole, first_us, last_us)


@settings(deadline=None)
@given(registers(30) | jittering(30), CONFIGS, st.integers(0, 29), st.floats(0, 999))
def test_a_reading_changes_no_step_further_away_than_its_look_around(
    readings: tuple[Ints, Floats], config: RegisterConfig, place: int, shown: float
) -> None:
    ts, value = readings
    if ts.size < 2:
        return
    place %= ts.size - 1
    if ts[place + 1] - ts[place] < 2:
        return
    more_ts = np.insert(ts, place + 1, ts[place] + 1)
    more = np.insert(value, place + 1, shown)
    before, after = steps(ts, value, config), steps(more_ts, more, config)
    untouched_before = place - LOOK_AROUND
    if untouched_before > 0:
        edge = int(ts[untouched_before])
        assert _overlapping(before, -1, edge) == _overlapping(after, -1, edge)
    untouched_after = place + 1 + LOOK_AROUND
    if untouched_after < ts.size:
        edge, end = int(ts[untouched_after]), int(ts[-1]) + 1
        assert _overlapping(before, edge, end) == _overlapping(after, edge, end)
