"""Allowances of each form of path, against figures that others published or worked by hand."""

from __future__ import annotations

import pytest

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.pathway.base_year import is_replaced
from services.core.accounting.pathway.paths import (
    Point,
    contraction,
    convergence,
    peak_then_neutral,
    stated,
)
from services.core.accounting.pathway.policies import POLICIES

T = 1000.0


def point(year: int, value: float) -> Point:
    return Point(year=year, value=value)


@pytest.mark.vector
def test_an_absolute_contraction_of_4_2_percent_a_year() -> None:
    rate = POLICIES["sbti-1.5c-2019"].percent_a_year
    assert rate is not None
    path = contraction(point(2020, 100_000 * T), rate)
    assert path.allowed(2020) is None
    assert path.allowed(2025) == pytest.approx(79_000 * T, abs=1e-6)
    assert path.allowed(2030) == pytest.approx(58_000 * T, abs=1e-6)
    budget = sum(path.allowed_kg[year] for year in range(2021, 2031))
    assert budget == pytest.approx(769_000 * T, abs=1e-6)
    # 100 / 4.2 = 23.8 years: nothing is allowed from the 24th on
    assert (path.last_year, path.neutral_year, path.allowed(2044)) == (2044, 2044, 0)
    assert path.allowed(2099) == 0


@pytest.mark.vector
def test_well_below_2_degrees_is_2_5_percent_a_year() -> None:
    rate = POLICIES["sbti-wb2c-2019"].percent_a_year
    assert rate is not None
    path = contraction(point(2020, 100_000 * T), rate, residual_percent=10)
    assert path.allowed(2030) == pytest.approx(75_000 * T, abs=1e-6)
    # 90 % at 2.5 % a year are 36 years
    assert (path.neutral_year, path.residual_kg) == (2056, 10_000 * T)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("year", "intensity"),
    [(2020, 0.90), (2021, 0.98), (2022, 1.06), (2023, 1.13), (2024, 1.21), (2025, 1.29)],
)
def test_intensities_converge_on_the_sector_target(year: int, intensity: float) -> None:
    path = convergence(
        point(2020, 0.9 * 1000),
        [point(2020, 1000), point(2025, 1000)],
        [point(2020, 6.45), point(2025, 1.29)],
    )
    kg = path.base_kg if year == 2020 else path.allowed(year)
    assert kg is not None
    assert round(kg / 1000 + 1e-9, 2) == intensity


def test_a_growing_market_share_brings_the_intensity_down_faster() -> None:
    path = convergence(
        point(2020, 2.0 * 100),
        [point(2020, 100), point(2022, 400)],
        [point(2020, 1.5), point(2022, 0.5)],
        [point(2020, 1000), point(2022, 1000)],
    )
    # 2021: m = (100/1000) / (250/1000) = 0.4; (1.5 x 0.5 x 0.4 + 0.5) x 250
    assert path.allowed(2021) == pytest.approx(200.0)
    assert path.allowed(2022) == pytest.approx(200.0)


@pytest.mark.vector
def test_a_peak_in_2030_and_neutrality_in_2060_with_a_residual() -> None:
    policy = POLICIES["china-3060-2020"]
    assert (policy.peak_year, policy.neutral_year) == (2030, 2060)
    path = peak_then_neutral(
        point(2025, 100_000 * T), point(2030, 115_000 * T), 2060, residual_percent=10
    )
    assert path.allowed(2026) == pytest.approx(103_000 * T)
    assert path.allowed(2030) == 115_000 * T
    assert path.allowed(2040) == pytest.approx(80_500 * T, abs=1e-6)
    # neutral only with so much removed for good
    assert (path.neutral_year, path.residual_kg) == (2060, 11_500 * T)


def test_stated_points_are_joined_straight_or_hold_up_to_the_next() -> None:
    points = [point(2030, 40), point(2026, 80)]
    straight = stated(point(2024, 100), points)
    assert [straight.allowed(y) for y in (2025, 2026, 2027, 2030, 2031)] == [90, 80, 70, 40, 40]
    steps = stated(point(2024, 100), points, steps=True)
    assert [steps.allowed(y) for y in (2025, 2026, 2029, 2030)] == [100, 80, 80, 40]
    assert straight.neutral_year is None
    assert stated(point(2024, 100), points, residual_percent=40).neutral_year == 2030


def test_what_cannot_be_computed_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match="milestones come after the base year"):
        stated(point(2024, 100), [point(2024, 90)])
    with pytest.raises(ConfigurationError, match="come in this order"):
        peak_then_neutral(point(2031, 1), point(2030, 1), 2060)
    with pytest.raises(ConfigurationError, match="production has no figure of 2024: state it"):
        convergence(
            point(2020, 1), [point(2020, 1), point(2023, 1)], [point(2020, 2), point(2025, 1)]
        )
    with pytest.raises(ConfigurationError, match="does not change"):
        convergence(
            point(2020, 1), [point(2020, 1), point(2025, 1)], [point(2020, 2), point(2025, 2)]
        )


@pytest.mark.parametrize(
    ("in_force", "known", "replaced"),
    [
        (None, 100, True),
        (100, 104.999, False),
        (100, 105, True),
        (100, 95, True),
        (100, 95.001, False),
        (0, 0, False),
        (0, 1, True),
    ],
)
def test_a_base_year_is_replaced_from_5_percent_on(
    in_force: float | None, known: float, *, replaced: bool
) -> None:
    assert is_replaced(in_force, known, percent=5) is replaced
