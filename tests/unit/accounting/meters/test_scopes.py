from __future__ import annotations

import pytest

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.scopes import Difference, SourceTotal, counted, totals


def test_scopes_stand_side_by_side() -> None:
    result = totals(
        [
            SourceTotal(source="boiler", scope=1, co2_kg=100.0),
            SourceTotal(source="kiln", scope=1, co2_kg=50.0),
            SourceTotal(source="grid", scope=2, co2_kg=80.0, market_kg=10.0),
            SourceTotal(source="annex", scope=2, co2_kg=5.0),
        ]
    )
    assert result.scope_1_kg == 150.0
    assert result.scope_2_location_kg == 85.0
    assert result.scope_2_market_kg == 15.0
    assert result.differences == ()


def test_a_boiler_with_a_meter_and_a_stack_counts_once() -> None:
    result = totals(
        [
            SourceTotal(source="boiler-gas", scope=1, co2_kg=100.0),
            SourceTotal(source="boiler-stack", scope=1, co2_kg=104.0, check="boiler-gas"),
        ]
    )
    assert result.scope_1_kg == 104.0
    assert result.differences == (
        Difference(source="boiler-stack", check="boiler-gas", kg=4.0, percent=4.0),
    )


@pytest.mark.parametrize(
    ("stack", "gas", "kg", "percent"),
    [(None, 100.0, None, None), (5.0, None, None, None), (5.0, 0.0, 5.0, None)],
)
def test_a_difference_that_cannot_be_told_is_none(
    stack: float | None, gas: float | None, kg: float | None, percent: float | None
) -> None:
    (difference,) = totals(
        [
            SourceTotal(source="gas", scope=1, co2_kg=gas),
            SourceTotal(source="stack", scope=1, co2_kg=stack, check="gas"),
        ]
    ).differences
    assert (difference.kg, difference.percent) == (kg, percent)


def test_an_unknown_source_makes_its_scope_unknown_and_an_unknown_check_does_not() -> None:
    unknown = SourceTotal(source="a", scope=1, co2_kg=None)
    known = SourceTotal(source="b", scope=1, co2_kg=1.0)
    assert totals([unknown, known]).scope_1_kg is None
    checked = SourceTotal(source="b", scope=1, co2_kg=1.0, check="a")
    assert totals([unknown, checked]).scope_1_kg == 1.0


def test_a_facility_without_sources_emits_nothing() -> None:
    assert totals([]).scope_1_kg == 0


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        ([("a", "b")], "no such source"),
        ([("a", "a")], "itself"),
        ([("a", "b"), ("b", "a")], "check of its own"),
    ],
)
def test_checks_that_make_no_sense_are_refused(
    checks: list[tuple[str, str | None]], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        counted(checks)


def test_one_check_may_serve_two_sources() -> None:
    assert counted([("a", "m"), ("b", "m"), ("m", None)]) == {"a", "b"}
