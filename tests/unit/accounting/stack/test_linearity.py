"""Linearity checks and cylinder gas audits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.core.accounting.stack.linearity import GasTest, Level, level_error, level_errors


def level(response: str, reference: str) -> Level:
    return Level(reference=Decimal(reference), response=Decimal(response))


@pytest.mark.vector
def test_errors_of_a_linearity_check_are_percent_of_the_reference() -> None:
    # A3: 370-Q1-2023-2 of EPA's test files, span 250 ppm: mid, low, high
    levels = [level("136.567", "138.5"), level("61.767", "62.9"), level("223.633", "225.5")]
    errors = level_errors(GasTest.LINEARITY, levels, unit="ppm")
    assert [str(each.error) for each in errors] == ["1.4", "1.8", "0.8"]
    assert all(each.passed and not each.alternative for each in errors)


@pytest.mark.vector
def test_a_level_beyond_its_percent_may_pass_by_its_difference() -> None:
    # A5: 120-Q3-2022-1 of EPA's test files: 5.1 % of 25.3 ppm, and a difference of 1 ppm
    error = level_error(GasTest.LINEARITY, level("24.0", "25.3"), unit="ppm")
    assert (error.error, error.alternative, error.passed) == (1, True, True)


@pytest.mark.parametrize(
    ("test", "response", "passed", "reported"),
    [
        (GasTest.LINEARITY, "10.5", True, "5.0"),
        (GasTest.LINEARITY, "10.54", True, "0.5"),
        (GasTest.LINEARITY, "10.6", False, "6.0"),
        (GasTest.CYLINDER_GAS_AUDIT, "11.5", True, "15.0"),
        (GasTest.CYLINDER_GAS_AUDIT, "11.6", False, "16.0"),
    ],
)
def test_a_diluent_passes_by_percent_or_by_half_a_percent_co2(
    test: GasTest, response: str, passed: bool, reported: str
) -> None:
    error = level_error(test, level(response, "10.0"), unit="%")
    assert (error.passed, str(error.error)) == (passed, reported)


def test_levels_that_cannot_be_judged_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        level_errors(GasTest.LINEARITY, [level("1", "1")] * 2, unit="%")
    with pytest.raises(ValueError, match="above zero"):
        level_error(GasTest.LINEARITY, level("1", "0"), unit="%")
    with pytest.raises(ValueError, match="% or ppm"):
        level_error(GasTest.LINEARITY, level("1", "1"), unit="kPa")
