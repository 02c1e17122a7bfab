"""What stands in for a missing hour."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.substitution import (
    SUBSTITUTION,
    MissingHour,
    Parameter,
    Substitute,
    percentile,
)

# 720 values, each tenth from 8.0 to 15.9 nine times: P90 15.1, P95 15.5, P10 8.7, P5 8.3.
LOOK_BACK = tuple(Decimal(80 + number % 80) / 10 for number in range(720))
FLOWS = tuple(Decimal(40_000_000 + 10_000 * number) for number in range(2160))


def co2(available: str, gap: int, **more: object) -> Substitute:
    return part75(Parameter.CO2, available, gap, **more)


def part75(parameter: Parameter, available: str, gap: int, **more: object) -> Substitute:
    flow = parameter is Parameter.FLOW
    hour = MissingHour(
        parameter=parameter,
        quality_assured_hours=9000,
        clock_hours=9500,
        availability_percent=Decimal(available),
        gap_hours=gap,
        before=Decimal(50_000_000) if flow else Decimal("12.4"),
        after=Decimal(50_001_000) if flow else Decimal("12.5"),
        look_back=FLOWS if flow else LOOK_BACK,
        potential=Decimal(90_000_000) if flow else Decimal("14.0"),
    )
    return SUBSTITUTION["part75"].substitute(replace(hour, **more))  # type: ignore[arg-type]


@pytest.mark.vector
@pytest.mark.parametrize(
    ("available", "gap", "value", "code"),
    [
        ("100.0", 1, "12.5", "06"),
        ("95.0", 24, "12.5", "06"),
        ("95.0", 25, "15.1", "08"),
        ("94.9", 8, "12.5", "06"),
        ("94.9", 9, "15.5", "09"),
        ("90.0", 9, "15.5", "09"),
        ("89.9", 1, "15.9", "10"),
        ("80.0", 500, "15.9", "10"),
        ("79.9", 1, "14.0", "12"),
    ],
)
def test_co2_by_tier(available: str, gap: int, value: str, code: str) -> None:
    substitute = co2(available, gap)
    assert (substitute.value, substitute.code) == (Decimal(value), code)
    assert not substitute.provisional


@pytest.mark.vector
def test_the_average_of_the_hours_around_rounds_half_up() -> None:
    assert co2("96.0", 1, before=Decimal("12.4"), after=Decimal("12.5")).value == Decimal("12.5")


@pytest.mark.vector
@pytest.mark.parametrize(
    ("available", "gap", "value", "code"),
    [
        ("95.0", 24, "12.5", "06"),
        ("95.0", 25, "8.7", "08"),
        ("94.9", 9, "8.3", "09"),
        ("89.9", 1, "8.0", "10"),
        ("79.9", 1, "14.0", "12"),
    ],
)
def test_moisture_is_filled_from_below(available: str, gap: int, value: str, code: str) -> None:
    substitute = part75(Parameter.MOISTURE, available, gap)
    assert (substitute.value, substitute.code) == (Decimal(value), code)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("available", "gap", "value", "code"),
    [
        ("95.0", 24, "50795000", "11"),
        ("95.0", 25, "59430000", "08"),
        ("94.9", 8, "50795000", "11"),
        ("94.9", 9, "60510000", "09"),
        ("89.9", 1, "61590000", "10"),
        ("79.9", 1, "90000000", "12"),
    ],
)
def test_flow_takes_the_average_of_its_load_range(
    available: str, gap: int, value: str, code: str
) -> None:
    substitute = part75(Parameter.FLOW, available, gap)
    assert (substitute.value, substitute.code) == (Decimal(value), code)


def test_the_hours_around_win_over_a_lower_percentile() -> None:
    substitute = co2("96.0", 25, before=Decimal("15.8"), after=Decimal("15.9"))
    assert (substitute.value, substitute.code) == (Decimal("15.9"), "08")
    low = part75(Parameter.MOISTURE, "96.0", 25, before=Decimal("5.0"), after=Decimal("5.0"))
    assert (low.value, low.code) == (Decimal("5.0"), "08")


def test_without_the_hour_after_the_answer_is_provisional() -> None:
    open_gap = co2("96.0", 3, after=None)
    assert (open_gap.value, open_gap.code, open_gap.provisional) == (Decimal("12.4"), "06", True)
    assert co2("96.0", 30, after=None).provisional
    assert not co2("85.0", 30, after=None).provisional
    assert not co2("75.0", 30, after=None).provisional
    closed = co2("96.0", 3)
    assert (closed.value, closed.provisional) == (Decimal("12.5"), False)


@pytest.mark.vector
def test_the_initial_procedure_lasts_720_quality_assured_hours() -> None:
    early = co2("50.0", 100, quality_assured_hours=719)
    assert (early.value, early.code) == (Decimal("12.5"), "07")
    assert co2("50.0", 100, quality_assured_hours=720).code == "12"
    assert co2("50.0", 100, quality_assured_hours=719, clock_hours=26_280).code == "12"


def test_the_initial_procedure_without_prior_data_takes_the_potential() -> None:
    first = co2("0.0", 1, quality_assured_hours=0, before=None, look_back=())
    assert (first.value, first.code) == (Decimal("14.0"), "12")


@pytest.mark.vector
def test_the_initial_procedure_for_flow_lasts_2160_hours_and_averages_all_before() -> None:
    early = part75(
        Parameter.FLOW,
        "50.0",
        100,
        quality_assured_hours=2159,
        look_back=(Decimal(1000), Decimal(4000)),
    )
    assert (early.value, early.code) == (Decimal(3000), "07")
    nothing = part75(Parameter.FLOW, "50.0", 1, quality_assured_hours=0, look_back=())
    assert (nothing.value, nothing.code) == (Decimal(90_000_000), "12")


def test_without_a_look_back_or_availability_the_potential_stands_in() -> None:
    assert co2("96.0", 30, look_back=()).code == "12"
    assert co2("96.0", 1, availability_percent=None).code == "12"


def test_without_a_potential_the_hour_stays_missing_and_says_so() -> None:
    substitute = co2("10.0", 1, potential=None)
    assert substitute.value is None
    assert "not configured" in substitute.reason


@pytest.mark.vector
def test_mrr_takes_the_mean_plus_two_sample_deviations() -> None:
    values = tuple(Decimal(value) for value in (190, 195, 200, 205, 210))
    hour = MissingHour(parameter=Parameter.CO2, period=values)
    substitute = SUBSTITUTION["mrr"].substitute(hour)
    assert substitute.value is not None
    assert round(substitute.value, 6) == Decimal("215.811388")
    assert substitute.provisional
    closed = SUBSTITUTION["mrr"].substitute(replace(hour, period_closed=True))
    assert (closed.value, closed.provisional) == (substitute.value, False)


@pytest.mark.vector
def test_mrr_in_exact_figures() -> None:
    # C18 of the vectors: 194.466667 + 2 x 9.081777
    hours = ("181.2", "190.5", "199.9", "205.0", "188.8", "201.4")
    hour = MissingHour(parameter=Parameter.CO2, period=tuple(map(Decimal, hours)))
    value = SUBSTITUTION["mrr"].substitute(hour).value
    assert value is not None
    assert round(value, 6) == Decimal("212.630220")


def test_mrr_does_not_invent_a_flow() -> None:
    hour = MissingHour(parameter=Parameter.FLOW, period=FLOWS)
    substitute = SUBSTITUTION["mrr"].substitute(hour)
    assert substitute.value is None
    assert "balance" in substitute.reason


def test_mrr_needs_two_measured_hours() -> None:
    hour = MissingHour(parameter=Parameter.CO2, period=(Decimal(200),))
    assert SUBSTITUTION["mrr"].substitute(hour).value is None


def test_no_policy_fills_nothing() -> None:
    substitute = SUBSTITUTION["none"].substitute(MissingHour(parameter=Parameter.CO2))
    assert (substitute.value, substitute.code) == (None, "none")


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(10, 90, 9), (10, 95, 10), (1, 90, 1), (20, 5, 1), (3, 10, 1)],
)
def test_the_nearest_rank(count: int, percent: int, expected: int) -> None:
    values = tuple(Decimal(number) for number in range(count, 0, -1))
    assert percentile(values, percent) == Decimal(expected)


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        percentile((), 90)


tenths = st.integers(0, 200).map(lambda number: Decimal(number) / 10)


@given(
    st.lists(tenths, min_size=1, max_size=60),
    tenths,
    tenths,
    st.integers(800, 1000),
    st.integers(1, 100),
)
def test_worse_availability_never_lowers_the_substitute_of_a_gap_too_long_for_averages(
    look_back: list[Decimal], before: Decimal, after: Decimal, available: int, gap: int
) -> None:
    more: dict[str, object] = {"look_back": tuple(look_back), "before": before, "after": after}
    highest = max(*look_back, before, after)
    substitute = co2(str(Decimal(available) / 10), gap, **more)
    assert substitute.value is not None
    assert min(*look_back, before, after) <= substitute.value <= highest + Decimal("0.05")
    if gap > 24:
        better = co2("99.0", gap, **more).value
        assert better is not None
        if available >= 900:
            assert substitute.value >= better
