from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.uncertainty import (
    Component,
    FactorUncertainty,
    Part,
    band,
    product_percent,
)

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


DAY = date(2026, 1, 1)


def factor(*spans: tuple[date | None, date | None, float | None]) -> FactorUncertainty:
    return FactorUncertainty(id="factor grid", versions=spans)


def test_a_factor_counts_with_the_version_that_holds() -> None:
    versions = factor((None, DAY, 5.0), (DAY, None, 2.0))
    assert versions.component(date(2025, 12, 1), date(2025, 12, 31)) == Component(
        id="factor grid", percent=5.0
    )
    assert versions.component(DAY, date(2026, 1, 31)) == Component(id="factor grid", percent=2.0)


def test_over_several_versions_the_largest_counts() -> None:
    versions = factor((None, DAY, 2.0), (DAY, None, 5.0))
    assert versions.component(date(2025, 12, 31), DAY) == Component(id="factor grid", percent=5.0)


def test_a_version_that_states_nothing_leaves_the_span_unknown() -> None:
    versions = factor((None, DAY, None), (DAY, None, 5.0))
    assert versions.component(date(2025, 12, 31), DAY) is None
    assert versions.component(DAY, DAY) is not None
