"""What an hour comes to under a rule, from its inputs alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from services.core.accounting.stack.audits import Audit
from services.core.accounting.stack.closing import ClosingRule, Period
from services.core.accounting.stack.diluents import DILUENT_CAPS
from services.core.accounting.stack.equations import equation_for
from services.core.accounting.stack.history import History, UnitHour
from services.core.accounting.stack.measured import StackInputs
from services.core.accounting.stack.recording import ChannelPoints, InputMinutes, RecordedInput
from services.core.accounting.stack.substitution import SUBSTITUTION
from services.core.accounting.stack.validity import VALIDITY
from services.core.accounting.units import conversion

HOUR_US = 3_600_000_000
YEAR = Period(first=0, end=8760, closed=False)


def rule(equation: str = "F-11", policy: str = "part75", **more: str) -> ClosingRule:
    chosen = equation_for(equation, **more)
    return ClosingRule(
        equation=chosen,
        inputs=StackInputs(
            conversions={item.name: conversion(item.unit, item.unit) for item in chosen.inputs}
        ),
        validity=VALIDITY[policy],
        substitution=SUBSTITUTION[policy],
        potential={"co2": Decimal("14.0"), "h2o": Decimal("3.0")},
    )


def minutes(value: float, known: range = range(60), out: range = range(0)) -> InputMinutes:
    covered = np.zeros(60, dtype=np.int64)
    covered[list(known)] = 60_000_000
    assured = np.ones(60, dtype=bool)
    assured[list(out)] = False
    return InputMinutes(
        value=np.where(covered > 0, value, np.nan),
        covered_us=covered,
        assured=assured,
        excused=False,
        channels=(points(known),),
    )


def points(known: range, role: str = "input") -> ChannelPoints:
    """A reading at the beginning of each minute."""
    at_us = np.array(known, dtype=np.int64) * 60_000_000
    return ChannelPoints(role=role, points_us=at_us, every_us=60_000_000)


def recorded(
    average: str | None, *, valid: bool = True, operating_ms: int = 3_600_000
) -> RecordedInput:
    return RecordedInput(
        average=None if average is None else Decimal(average),
        covered_ms=3_600_000,
        operating_ms=operating_ms,
        valid=valid,
        verdict="quadrants" if valid else "quadrant-missing",
        verdict_reason="",
    )


def test_averages_are_recorded_as_the_rule_records_them() -> None:
    found = rule().record(0, {"co2": minutes(12.34), "flow": minutes(1_234_567.0)})
    assert (found["co2"].average, found["flow"].average) == (Decimal("12.3"), Decimal(1_235_000))
    assert found["co2"].valid
    assert found["co2"].verdict == "quadrants"


def test_an_average_is_weighted_by_the_time_that_is_known() -> None:
    half = minutes(10.0)
    half.value[30:] = 13.0
    half.covered_us[30:] = 20_000_000
    found = rule().record(0, {"co2": half, "flow": minutes(1e6)})
    # 30 minutes of 10 and 10 minutes of 13
    assert found["co2"].average == Decimal("10.8")


def test_data_of_a_monitor_out_of_control_are_no_data() -> None:
    found = rule().record(0, {"co2": minutes(12.0, out=range(50)), "flow": minutes(1e6)})
    assert (found["co2"].valid, found["co2"].covered_ms) == (False, 600_000)
    assert "50 minutes out of control" in found["co2"].verdict_reason


def test_an_input_of_several_channels_is_valid_when_each_of_them_is() -> None:
    flow = minutes(1e6)
    whole = replace(flow, channels=(points(range(60)), points(range(60), "temperature")))
    assert rule().record(0, {"co2": minutes(12.0), "flow": whole})["flow"].valid
    lacking = replace(flow, channels=(points(range(60)), points(range(30), "temperature")))
    found = rule().record(0, {"co2": minutes(12.0), "flow": lacking})
    assert not found["flow"].valid
    assert found["flow"].verdict_reason == "temperature: no data point in quadrant 3, 4"
    assert found["co2"].valid


def test_a_value_that_is_held_all_hour_is_no_measurement_of_it() -> None:
    held = replace(minutes(12.0), channels=(points(range(0)),))
    found = rule().record(0, {"co2": held, "flow": minutes(1e6)})
    assert (found["co2"].valid, found["co2"].covered_ms) == (False, 3_600_000)
    assert found["co2"].verdict_reason == "no data point in quadrant 1, 2, 3, 4"


def test_readings_while_the_unit_stood_still_are_no_average() -> None:
    chosen = replace(rule(), operates_above=5.0)
    load = minutes(0.0)
    load.value[13:15] = 100.0
    # read at the quarter's beginning, held for five minutes
    early = replace(minutes(12.0, range(5)), channels=(points(range(1)),))
    found = chosen.record(0, {"co2": early, "flow": minutes(1e6), "operating": load})
    assert (found["co2"].valid, found["co2"].average) == (False, None)
    assert found["flow"].valid


def test_what_comes_from_oxygen_is_valid_when_the_oxygen_is() -> None:
    chosen = rule("F-2", diluent="F-14A", fuel="natural-gas")
    assert chosen.roles == ("o2", "flow", "h2o", "co2")
    whole = {"o2": minutes(3.0), "flow": minutes(1e6), "h2o": minutes(10.0)}
    assert chosen.record(0, whole)["co2"].valid
    lacking = chosen.record(0, whole | {"o2": minutes(3.0, range(20))})
    assert not lacking["co2"].valid
    assert lacking["h2o"].valid


@pytest.mark.vector
@pytest.mark.parametrize(
    ("equation", "more", "unit", "inputs", "co2", "tons"),
    [
        # gas, Fc 1040 and Fd 8710: (20.9 - 14.0) / 20.9 x 104000 / 8710 = 3.942; as read 2.7, 1.4
        ("F-2", ("F-14A", "natural-gas"), "boiler", (16.2, 1e6, 10.0), "3.9", "2.0"),
        # (20.9 - 19.0) / 20.9 x 104000 / 8710 = 1.0855; as read 0.7, 1.4
        ("F-2", ("F-14A", "natural-gas"), "turbine", (19.6, 4e6, 10.0), "1.1", "2.3"),
        # bituminous, 1800 and 9780: (20.9 x 0.92 - 14.0) x 180000 / (20.9 x 9780) = 4.6039
        ("F-11", ("F-14B", "bituminous"), "boiler", (15.0, 2e6, 8.0), "4.6", "5.2"),
        # at the cap and on its near side what was measured counts
        ("F-2", ("F-14A", "natural-gas"), "boiler", (13.9, 1e6, 10.0), "4.0", "2.1"),
        ("F-2", ("F-14A", "natural-gas"), "turbine", (16.2, 1e6, 10.0), "2.7", "1.4"),
    ],
)
def test_oxygen_above_the_diluent_cap_counts_as_the_cap(
    equation: str,
    more: tuple[str, str],
    unit: str,
    inputs: tuple[float, float, float],
    co2: str,
    tons: str,
) -> None:
    diluent, fuel = more
    capped = replace(rule(equation, diluent=diluent, fuel=fuel), diluent_cap=DILUENT_CAPS[unit])
    o2, flow, h2o = inputs
    recorded_hour = capped.record(
        0, {"o2": minutes(o2), "flow": minutes(flow), "h2o": minutes(h2o)}
    )
    figure = capped.figure(0, recorded_hour, {}, YEAR)
    is_capped = o2 > DILUENT_CAPS[unit].greatest_o2
    assert recorded_hour["o2"].average == Decimal(str(o2))
    assert figure.inputs["co2"].value == Decimal(co2)
    assert figure.rate.value == Decimal(tons)
    assert (figure.quality, figure.code) == (
        "measured",
        "quadrants co2:14" if is_capped else "quadrants",
    )


@pytest.mark.vector
@pytest.mark.parametrize(
    ("unit", "co2", "counts", "tons"),
    # K is 5.7e-7: 5.0 % of 1e6 scf/h are 2.85, halves away from zero; as read 1.8
    [("boiler", 3.1, "5.0", "2.9"), ("turbine", 0.4, "1.0", "0.6"), ("turbine", 3.1, "3.1", "1.8")],
)
def test_co2_below_the_diluent_cap_counts_as_the_cap(
    unit: str, co2: float, counts: str, tons: str
) -> None:
    capped = replace(rule(), diluent_cap=DILUENT_CAPS[unit])
    recorded_hour = capped.record(0, {"co2": minutes(co2), "flow": minutes(1e6)})
    figure = capped.figure(0, recorded_hour, {}, YEAR)
    # the monitor's own record stays what it measured, and so does its look-back
    assert (recorded_hour["co2"].average, recorded_hour["co2"].code) == (Decimal(str(co2)), "01")
    assert (figure.inputs["co2"].value, figure.rate.value) == (Decimal(counts), Decimal(tons))
    assert figure.code == ("quadrants" if counts == str(co2) else "quadrants co2:14")


def test_a_cap_stands_in_for_no_hour_that_is_not_valid() -> None:
    capped = replace(
        rule("F-2", diluent="F-14A", fuel="natural-gas"), diluent_cap=DILUENT_CAPS["boiler"]
    )
    lacking = {"o2": minutes(16.2, range(20)), "flow": minutes(1e6), "h2o": minutes(10.0)}
    recorded_hour = capped.record(5, lacking)
    assert (recorded_hour["co2"].valid, recorded_hour["co2"].average) == (False, Decimal("2.7"))
    figure = capped.figure(5, recorded_hour, {"co2": History([])}, YEAR)
    assert (figure.inputs["co2"].value, figure.code) == (Decimal("14.0"), "co2:12")


def test_an_input_that_only_the_diluent_takes_is_not_missed_when_co2_is_substituted() -> None:
    chosen = rule("F-11", diluent="F-14B", fuel="natural-gas")
    inputs = {
        "o2": recorded(None, valid=False),
        "h2o": recorded(None, valid=False),
        "co2": recorded(None, valid=False),
        "flow": recorded("1000000"),
    }
    figure = chosen.figure(5, inputs, {"co2": History([])}, YEAR)
    assert figure.inputs["co2"].value == Decimal("14.0")
    assert figure.rate.value == Decimal("8.0")
    assert figure.code == "co2:12"


def test_each_input_is_substituted_alone_and_the_gap_waits_for_its_end() -> None:
    past = [UnitHour(clock_hour=h, value=Decimal("12.0"), code="01") for h in range(5)]
    inputs = {"co2": recorded(None, valid=False), "flow": recorded("1000000")}
    gap = [*past, UnitHour(clock_hour=5, value=None, code="")]
    waiting = rule().figure(5, inputs, {"co2": History(gap)}, YEAR)
    assert (waiting.quality, waiting.code, waiting.provisional) == ("substituted", "co2:07", True)
    closed = [*gap, UnitHour(clock_hour=6, value=Decimal("14.0"), code="01")]
    found = rule().figure(5, inputs, {"co2": History(closed)}, YEAR)
    assert (found.inputs["co2"].value, found.provisional) == (Decimal("13.0"), False)
    assert found.inputs["flow"].code == "01"


def test_a_negative_hour_is_zero_with_its_code() -> None:
    inputs = {"co2": recorded("-0.3"), "flow": recorded("1000000")}
    figure = rule().figure(5, inputs, {}, YEAR)
    assert (figure.kg, figure.code) == (Decimal(0), "quadrants 21")


def test_a_missing_input_makes_the_hour_missing_never_zero() -> None:
    inputs = {"co2": recorded("12.0"), "flow": recorded(None, valid=False)}
    figure = rule().figure(5, inputs, {"flow": History([])}, YEAR)
    assert (figure.kg, figure.quality, figure.code) == (None, "missing", "flow:12")


def test_an_open_period_looks_back_only_and_a_closed_one_at_all_of_it() -> None:
    past = [
        UnitHour(clock_hour=0, value=Decimal(10), code="01"),
        UnitHour(clock_hour=1, value=Decimal(12), code="01"),
        UnitHour(clock_hour=2, value=None, code=""),
        UnitHour(clock_hour=3, value=Decimal(14), code="01"),
    ]
    inputs = {"co2": recorded(None, valid=False), "flow": recorded("1000000")}
    figures = [
        rule(policy="mrr").figure(
            2, inputs, {"co2": History(past)}, Period(first=0, end=8760, closed=closed)
        )
        for closed in (False, True)
    ]
    assert [f.provisional for f in figures] == [True, False]
    # 10, 12: 11 + 2 root 2; with 14: 12 + 2 * 2
    assert figures[0].inputs["co2"].value == pytest.approx(Decimal(11) + 2 * Decimal(2).sqrt())
    assert figures[1].inputs["co2"].value == Decimal(16)


def test_an_hour_of_partial_operation_needs_the_quadrants_of_its_operation_only() -> None:
    chosen = replace(rule(), operates_above=5.0)
    load = minutes(100.0)
    load.value[:40] = 0.0
    inputs = {"co2": minutes(12.0, range(40, 60)), "flow": minutes(1e6), "operating": load}
    found = chosen.record(0, inputs)
    assert found["co2"].valid
    assert found["co2"].operating_ms == 20 * 60_000
    figure = chosen.figure(5, found, {}, YEAR)
    # 20 minutes are recorded as half an hour, in steps of a quarter
    assert figure.operating == Decimal("0.5")
    assert figure.kg == figure.rate.kg_h / 2


def test_a_unit_that_does_not_operate_emits_nothing_and_asks_for_no_substitute() -> None:
    chosen = replace(rule(), operates_above=5.0)
    silent = minutes(np.nan, range(0))
    found = chosen.record(0, {"co2": silent, "flow": silent, "operating": minutes(0.0)})
    figure = chosen.figure(5, found, {}, YEAR)
    assert (figure.kg, figure.quality, figure.code) == (Decimal(0), "measured", "not-operating")


def test_a_load_that_is_not_known_is_taken_as_operation() -> None:
    chosen = replace(rule(), operates_above=5.0)
    unknown = minutes(np.nan, range(0))
    found = chosen.record(0, {"co2": unknown, "flow": unknown, "operating": unknown})
    assert found["co2"].operating_ms == 3_600_000
    assert not found["co2"].valid


def test_the_first_hour_of_all_begins_with_its_first_data() -> None:
    inputs = {"co2": minutes(12.0, range(40, 60)), "flow": minutes(1e6, range(42, 60))}
    found = rule().record(0, inputs, first_of_all=True)
    assert found["flow"].valid
    assert found["co2"].operating_ms == 20 * 60_000
    assert not rule().record(0, inputs)["co2"].valid


def test_a_flow_is_adjusted_by_the_factor_of_the_last_audit_and_rounded_again() -> None:
    audited = Audit(ts_us=4 * HOUR_US, passed=True, bias_factor=Decimal("1.021"))
    chosen = replace(rule(), audits={"flow": (audited,)})
    inputs = {"co2": minutes(12.34), "flow": minutes(1_234_567.0)}
    during, after = (chosen.record(hour, inputs)["flow"] for hour in (4, 5))
    assert (during.average, during.unadjusted) == (Decimal(1_235_000), None)
    # 1 235 000 x 1.021 = 1 260 935
    assert (after.average, after.unadjusted) == (Decimal(1_261_000), Decimal(1_235_000))


def test_a_failed_audit_takes_the_data_after_it_away() -> None:
    half_past = 5 * HOUR_US + HOUR_US // 2
    chosen = replace(rule(), audits={"co2": (Audit(ts_us=half_past, passed=False),)})
    inputs = {"co2": minutes(12.0), "flow": minutes(1e6)}
    found = chosen.record(5, inputs)
    assert (found["co2"].valid, found["co2"].covered_ms) == (False, 30 * 60_000)
    assert "30 minutes out of control" in found["co2"].verdict_reason
    assert found["flow"].valid
    assert chosen.record(4, inputs)["co2"].valid


def test_a_missing_flow_takes_the_hours_of_its_load_range() -> None:
    chosen = replace(rule(), load_maximum=100.0)
    past = [
        UnitHour(clock_hour=h, value=Decimal(v), code="01", load_range=r)
        for h, (v, r) in enumerate([(2_000_000, 3), (2_200_000, 3), (5_000_000, 9)])
    ]
    gap = [*past, UnitHour(clock_hour=3, value=None, code="", load_range=3)]
    inputs = {"co2": minutes(12.0), "flow": minutes(np.nan, range(0)), "load": minutes(25.0)}
    found = chosen.record(3, inputs)
    assert found["load"].average == Decimal("25.0")
    low = chosen.figure(3, found, {"flow": History(gap)}, YEAR).inputs["flow"]
    assert (low.value, low.code) == (Decimal(2_100_000), "07")
    assert "load range 3" in low.reason
    found = chosen.record(3, inputs | {"load": minutes(85.0)})
    high = chosen.figure(3, found, {"flow": History(gap)}, YEAR).inputs["flow"]
    assert high.value == Decimal(5_000_000)
