from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.uncertainty import Component, Part, band, product_percent

METER = Component(id="meter", percent=2.0)
FACTOR = Component(id="factor", percent=3.5)


@pytest.mark.vector
def test_a_meter_times_a_factor() -> None:
    assert round(product_percent(2.0, 3.5), 4) == 4.0311
    result = band([Part(kg=1000.0, components=(METER, FACTOR))])
    assert result.percent is not None
    assert round(result.percent, 4) == 4.0311


@pytest.mark.vector
def test_a_sum_of_two_independent_sources() -> None:
    result = band(
        [
            Part(kg=100.0, components=(Component(id="a", percent=5.0),)),
            Part(kg=40.0, components=(Component(id="b", percent=10.0),)),
        ]
    )
    assert result.percent is not None
    assert round(result.percent, 4) == 4.5737
    assert (result.low_kg, result.high_kg) == (140 - result.half_kg, 140 + result.half_kg)


@given(st.integers(1, 500))
def test_a_shared_factor_does_not_shrink_with_the_number_of_hours(hours: int) -> None:
    result = band(Part(kg=7.0, components=(METER, FACTOR)) for _ in range(hours))
    assert result.percent == pytest.approx(math.hypot(2.0, 3.5))


@given(st.integers(1, 500))
def test_independent_parts_do_shrink(parts: int) -> None:
    result = band(
        Part(kg=7.0, components=(Component(id=str(i), percent=2.0),)) for i in range(parts)
    )
    assert result.percent == pytest.approx(2.0 / math.sqrt(parts))


def test_two_meters_under_one_factor() -> None:
    other = Component(id="other", percent=2.0)
    result = band(
        [Part(kg=50.0, components=(METER, FACTOR)), Part(kg=50.0, components=(other, FACTOR))]
    )
    assert result.half_kg == pytest.approx(math.hypot(1.0, 1.0, 3.5))


def test_nothing_emitted_has_no_percentage() -> None:
    result = band([])
    assert (result.kg, result.half_kg, result.percent) == (0.0, 0.0, None)


def test_a_band_does_not_reach_below_zero() -> None:
    result = band([Part(kg=10.0, components=(Component(id="a", percent=150.0),))])
    assert result.low_kg == 0.0
    assert result.high_kg == 25.0
