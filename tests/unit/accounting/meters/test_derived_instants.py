from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.derived.dimensions import Measured
from services.core.accounting.derived.formula import parse
from services.core.accounting.derived.instants import GaugeReadings, derived_readings
from services.core.accounting.derived.minutes import DerivedInput, derived_input

PERCENT = Measured(unit="%", is_rate=True)
SECOND = 1_000_000


def made(text: str, *names: str) -> DerivedInput:
    return derived_input(parse(text, "m"), dict.fromkeys(names, PERCENT), "%")


def gauge(
    readings: dict[int, float | None], max_gap: int = 60, uncertain: tuple[int, ...] = ()
) -> GaugeReadings:
    return GaugeReadings(
        ts_us=np.array([at * SECOND for at in readings], dtype=np.int64),
        value=np.array([np.nan if v is None else v for v in readings.values()], dtype=np.float64),
        max_gap_us=max_gap * SECOND,
        uncertain=np.array([at in uncertain for at in readings], dtype=np.bool_),
    )


def computed(text: str, **channels: GaugeReadings) -> list[tuple[int, float | None, bool]]:
    of_channels = {f"m.{name}": readings for name, readings in channels.items()}
    found = derived_readings(made(text, *of_channels), of_channels)
    return [
        (ts // SECOND, None if np.isnan(value) else value, uncertain)
        for ts, value, uncertain in zip(
            found.ts_us.tolist(), found.value.tolist(), found.uncertain.tolist(), strict=True
        )
    ]


def test_it_has_a_value_at_the_times_of_all_its_channels_while_all_are_known() -> None:
    found = computed(
        "(a + b) / 2",
        a=gauge({0: 10.0, 10: 12.0, 20: None, 30: 14.0, 200: 20.0}),
        b=gauge({5: 20.0, 65: 22.0}, uncertain=(65,)),
    )
    assert found == [
        # before 5 b is not known
        (5, 15.0, False),
        (10, 16.0, False),
        # an explicit gap of a
        (20, None, False),
        (30, 17.0, False),
        (65, 18.0, True),
        # a held for a minute
        (90, None, False),
    ]


def test_without_readings_there_is_nothing() -> None:
    assert computed("a + b", a=gauge({}), b=gauge({1: 2.0})) == []


def test_what_cannot_be_divided_is_a_gap() -> None:
    assert computed("a * b / b", a=gauge({0: 3.0}), b=gauge({0: 5.0, 10: 0.0})) == [
        (0, pytest.approx(3.0), False),
        (10, None, False),
    ]


def test_late_and_shuffled_readings_are_the_same_readings() -> None:
    rng = np.random.default_rng(5)
    times = np.sort(rng.choice(100_000, 300, replace=False)) * 1000
    half = times[::2], times[1::2]
    whole = [
        GaugeReadings(
            ts_us=part,
            value=part % 17 + 1.0,
            max_gap_us=400_000,
            uncertain=np.zeros(part.size, dtype=np.bool_),
        )
        for part in half
    ]
    found = derived_readings(made("a / (1 - b)", "m.a", "m.b"), {"m.a": whole[0], "m.b": whole[1]})
    # at any instant it is what both hold there
    for at in rng.integers(0, 100_000_000, 400).tolist():
        values = []
        for part in whole:
            place = int(np.searchsorted(part.ts_us, at, side="right")) - 1
            held = place >= 0 and at < part.ts_us[place] + part.max_gap_us
            values.append(float(part.value[place]) if held else np.nan)
        expected = values[0] / (1 - values[1] / 100)
        place = int(np.searchsorted(found.ts_us, at, side="right")) - 1
        actual = float(found.value[place]) if place >= 0 else np.nan
        assert actual == pytest.approx(expected, nan_ok=True)
