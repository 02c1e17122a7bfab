"""Stack equations against golden vectors, and what must hold for any input."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.stack.diluents import DILUENTS
from services.core.accounting.stack.equations import (
    EQUATIONS,
    NEGATIVE_REPLACED,
    SHORT_TON_KG,
    Equation,
    equation_for,
)
from services.core.accounting.stack.fuels import F_FACTORS, f_factors
from services.core.accounting.stack.heat_input import HEAT_INPUTS
from services.core.accounting.stack.inputs import Basis, ChannelKind
from services.core.accounting.units import convert

CO2_WET = ChannelKind(quantity="fraction", unit="%", basis=Basis.WET)
CO2_DRY = ChannelKind(quantity="fraction", unit="%", basis=Basis.DRY)
FLOW = ChannelKind(quantity="volume_flow", unit="scf/h", basis=Basis.WET)
H2O = ChannelKind(quantity="fraction", unit="%")
GAS = f_factors("natural-gas")

ALL = [
    *EQUATIONS.values(),
    equation_for("F-2", diluent="F-14A", fuel="natural-gas"),
    equation_for("F-11", diluent="F-14B", fuel="bituminous"),
    equation_for("G-4", fuel="oil"),
]
COMPUTABLE = [each for each in ALL if not each.needs_fuel or each.factors]


def d(**values: str) -> dict[str, Decimal | None]:
    return {name: Decimal(value) for name, value in values.items()}


@pytest.mark.vector
@pytest.mark.parametrize(
    ("equation", "inputs", "expected", "unit"),
    [
        ("F-11", d(co2="12.5", flow="60000000"), "427.5", "short ton/h"),
        ("F-11", d(co2="10.0", flow="1000000"), "5.7", "short ton/h"),
        ("F-11", d(co2="0", flow="50000000"), "0.0", "short ton/h"),
        ("F-2", d(co2="13.4", flow="60000000", h2o="8.0"), "421.6", "short ton/h"),
        ("C-6", d(co2="12.5", flow="60000000"), "388.5", "t/h"),
        ("C-7", d(co2="13.4", flow="60000000", h2o="8"), "383.15424", "t/h"),
        ("concentration-flow", d(co2="200", flow="500000"), "100", "t/h"),
        ("mass-flow", d(mass_flow="1234.5"), "1.2345", "t/h"),
        # B1, B2, B4, B6 and B12 of the vectors
        ("F-11", d(co2="9.3", flow="87654000"), "464.7", "short ton/h"),
        ("F-11", d(co2="11.7", flow="45321000"), "302.2", "short ton/h"),
        ("F-11", d(co2="5.0", flow="1000000"), "2.9", "short ton/h"),
        ("F-2", d(co2="12.8", flow="61234000", h2o="9.7"), "403.4", "short ton/h"),
        ("C-6", d(co2="9.3", flow="87654000"), "422.26437960", "t/h"),
        # A6: Barry unit 4, three hours of coal at 1644.5, 1639.5 and 1644.9 mmBtu, each of 1800 scf
        ("F-11", d(co2="10.0", flow="29601000"), "168.7", "short ton/h"),
        ("F-11", d(co2="10.0", flow="29511000"), "168.2", "short ton/h"),
        ("F-11", d(co2="10.0", flow="29608200"), "168.8", "short ton/h"),
    ],
)
def test_reported_rates(
    equation: str, inputs: dict[str, Decimal | None], expected: str, unit: str
) -> None:
    reported = EQUATIONS[equation].reporting(inputs)
    assert reported.value == Decimal(expected)
    assert (reported.equation, reported.unit, reported.code) == (equation, unit, None)


@pytest.mark.vector
def test_g_4_for_natural_gas() -> None:
    reported = equation_for("G-4", fuel="natural-gas").reporting(d(heat_input="1000"))
    assert reported.value == Decimal("59.4")


@pytest.mark.vector
def test_g_4_unrounded() -> None:
    rate = equation_for("G-4", fuel="natural-gas").rate_kg_h({"heat_input": 1000.0})
    assert rate / float(SHORT_TON_KG) == pytest.approx(59.42857142857143, rel=1e-15)


@pytest.mark.vector
def test_f_14a_for_natural_gas() -> None:
    diluent = DILUENTS["F-14A"]
    assert diluent.co2_percent({"o2": 15.0}, GAS) == pytest.approx(3.37070628, abs=5e-9)
    assert diluent.reporting(d(o2="15.0"), GAS) == Decimal("3.4")


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "inputs"), [("F-14A", d(o2="21.0")), ("F-14B", d(o2="20.0", h2o="10"))]
)
def test_more_oxygen_than_air_is_no_co2(name: str, inputs: dict[str, Decimal | None]) -> None:
    assert DILUENTS[name].reporting(inputs, GAS) == Decimal("0.0")
    live = {key: float(value) for key, value in inputs.items() if value is not None}
    assert DILUENTS[name].co2_percent(live, GAS) == 0.0


@pytest.mark.vector
@pytest.mark.parametrize(
    ("fuel", "o2", "co2"),
    [
        ("sub-bituminous", "5.4", "13.9"),
        ("oil", "3.1", "13.2"),
        ("lignite", "20.9", "0.0"),
        ("lignite", "21.4", "0.0"),
    ],
)
def test_co2_from_dry_oxygen_of_several_fuels(fuel: str, o2: str, co2: str) -> None:
    # B8 of the vectors
    assert DILUENTS["F-14A"].reporting(d(o2=o2), f_factors(fuel)) == Decimal(co2)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("equation", "fuel", "inputs", "mmbtu_h"),
    [
        ("F-15", "bituminous", d(flow="87654000", co2="9.3"), "4528.8"),
        ("F-16", "sub-bituminous", d(flow="61234000", co2="12.8", h2o="9.7"), "3846.6"),
        # 0.39, nothing and less than nothing are 1.0
        ("F-15", "bituminous", d(flow="7000", co2="10.0"), "1.0"),
        ("F-17", "natural-gas", d(flow="1000000", o2="20.9", h2o="0"), "1.0"),
        ("F-18", "natural-gas", d(flow="1000000", o2="22.0", h2o="8"), "1.0"),
    ],
)
def test_heat_input_of_the_rule(
    equation: str, fuel: str, inputs: dict[str, Decimal | None], mmbtu_h: str
) -> None:
    # B10 and B11 of the vectors
    assert HEAT_INPUTS[equation].reporting(inputs, f_factors(fuel)) == Decimal(mmbtu_h)


@pytest.mark.vector
def test_f_15_for_bituminous_coal() -> None:
    rate = HEAT_INPUTS["F-15"].reporting(d(flow="60000000", co2="12.5"), f_factors("bituminous"))
    assert rate == Decimal("4166.7")


@pytest.mark.vector
def test_the_metric_rate_of_part_75_is_0_175_percent_below_part_98() -> None:
    inputs = {"co2": 12.5, "flow": 6e7}
    ratio = EQUATIONS["F-11"].rate_kg_h(inputs) / EQUATIONS["C-6"].rate_kg_h(inputs)
    assert ratio == pytest.approx(0.99825348, abs=5e-9)


@pytest.mark.vector
@pytest.mark.parametrize(("equation", "kg"), [("F-11", 1.959812), ("C-6", 1.963241)])
def test_the_density_of_carbon_dioxide_that_a_constant_implies(equation: str, kg: float) -> None:
    # kg/Nm3; an ideal gas has 1.963485
    pure = EQUATIONS[equation].rate_kg_h({"co2": 100.0, "flow": convert(1.0, "Nm3/h", "scf/h")})
    assert round(float(pure), 6) == kg


@pytest.mark.vector
def test_f_11_rounds_a_half_away_from_zero() -> None:
    # 5.7e-7 * 12.5 * 2,000,000 is 14.25 exactly; halves to even would give 14.2.
    assert EQUATIONS["F-11"].reporting(d(co2="12.5", flow="2000000")).value == Decimal("14.3")


def test_all_heat_input_equations_agree_on_one_gas() -> None:
    # One stack gas described four ways: 9 % dry CO2 by F-14A from its dry O2, 8 % moisture.
    o2_dry = 20.9 * (1 - 9.0 * GAS.fd_dscf_mmbtu / (100 * GAS.fc_scf_mmbtu))
    gas = {"flow": 1e7, "h2o": 8.0}
    dry = {**gas, "co2": 9.0, "o2": o2_dry}
    wet = {**gas, "co2": 9.0 * 0.92, "o2": o2_dry * 0.92}
    rates = [
        HEAT_INPUTS["F-15"].rate_mmbtu_h(wet, GAS),
        HEAT_INPUTS["F-16"].rate_mmbtu_h(dry, GAS),
        HEAT_INPUTS["F-17"].rate_mmbtu_h(wet, GAS),
        HEAT_INPUTS["F-18"].rate_mmbtu_h(dry, GAS),
    ]
    assert rates == pytest.approx([rates[0]] * 4, rel=1e-12)


def test_a_heat_input_below_one_is_reported_as_one() -> None:
    rate = HEAT_INPUTS["F-15"].reporting(d(flow="0", co2="12.5"), GAS)
    assert rate == Decimal("1.0")
    assert HEAT_INPUTS["F-15"].reporting({"flow": None, "co2": Decimal(1)}, GAS) is None


# kg CO2/mmBtu, 40 CFR 98 subpart C, Table C-1: an independent figure for the same fuels.
PART_98_C_1 = {
    "anthracite": 103.69,
    "bituminous": 93.28,
    "sub-bituminous": 97.17,
    "lignite": 97.72,
    "oil": 73.96,
    "natural-gas": 53.06,
    "propane": 62.87,
    "butane": 64.77,
    "wood-bark": 93.80,
    "wood-residue": 93.80,
}


@pytest.mark.parametrize("fuel", sorted(F_FACTORS))
def test_carbon_factors_agree_with_the_default_emission_factors(fuel: str) -> None:
    kg_mmbtu = equation_for("G-4", fuel=fuel).rate_kg_h({"heat_input": 1.0})
    assert kg_mmbtu == pytest.approx(PART_98_C_1[fuel], rel=0.065)


@pytest.mark.parametrize("fuel", sorted(F_FACTORS))
def test_no_fuel_gives_more_than_the_oxygen_of_air_allows(fuel: str) -> None:
    dry_stoichiometric_co2 = DILUENTS["F-14A"].co2_percent({"o2": 0.0}, f_factors(fuel))
    assert 11.0 < float(dry_stoichiometric_co2) < 20.9


def test_a_negative_rate_is_reported_as_zero_with_its_code() -> None:
    reported = EQUATIONS["F-11"].reporting(d(co2="-0.2", flow="60000000"))
    assert reported.value == 0
    assert reported.code == NEGATIVE_REPLACED
    assert not str(reported.value).startswith("-")
    assert reported.kg_h == 0


@pytest.mark.parametrize("equation", COMPUTABLE, ids=lambda each: each.id)
def test_each_missing_input_makes_the_rate_missing(equation: Equation) -> None:
    live = {item.name: 10.0 for item in equation.inputs}
    exact: dict[str, Decimal | None] = {item.name: Decimal(10) for item in equation.inputs}
    assert math.isfinite(float(equation.rate_kg_h(live)))
    for item in equation.inputs:
        assert math.isnan(float(equation.rate_kg_h({**live, item.name: math.nan})))
        assert equation.reporting({**exact, item.name: None}).value is None
        assert equation.reporting({**exact, item.name: Decimal("NaN")}).value is None
        without = {name: value for name, value in live.items() if name != item.name}
        assert math.isnan(float(equation.rate_kg_h(without)))


@pytest.mark.parametrize("equation", COMPUTABLE, ids=lambda each: each.id)
def test_arrays_give_what_their_elements_give(equation: Equation) -> None:
    columns = {
        item.name: np.array([0.0, 5.0 + number, math.nan, 12.0])
        for number, item in enumerate(equation.inputs)
    }
    rates = np.asarray(equation.rate_kg_h(columns))
    for row in range(4):
        one = equation.rate_kg_h({name: float(column[row]) for name, column in columns.items()})
        np.testing.assert_array_equal(rates[row], one)
    assert math.isnan(rates[2])


percents = st.floats(0, 20)
flows = st.floats(0, 1e9)


@given(percents, percents, flows, st.floats(0, 60))
def test_more_co2_is_never_less_mass(low: float, high: float, flow: float, h2o: float) -> None:
    low, high = sorted((low, high))
    for name in ("F-11", "F-2", "C-6", "C-7"):
        rates = EQUATIONS[name].rate_kg_h({"co2": np.array([low, high]), "flow": flow, "h2o": h2o})
        assert np.asarray(rates)[0] <= np.asarray(rates)[1]


@given(percents, percents, flows, st.floats(0, 60))
def test_more_moisture_is_never_more_mass(a: float, b: float, flow: float, co2: float) -> None:
    dry, wet = sorted((a, b))
    for name in ("F-2", "C-7"):
        rate = EQUATIONS[name].rate_kg_h
        assert rate({"co2": co2, "flow": flow, "h2o": wet}) <= rate(
            {"co2": co2, "flow": flow, "h2o": dry}
        )


@given(percents, percents)
def test_more_oxygen_is_never_more_co2(a: float, b: float) -> None:
    low, high = sorted((a, b))
    for name, inputs in (("F-14A", {}), ("F-14B", {"h2o": 9.0})):
        diluent = DILUENTS[name]
        assert diluent.co2_percent({"o2": high, **inputs}, GAS) <= diluent.co2_percent(
            {"o2": low, **inputs}, GAS
        )


@given(percents, flows, st.floats(0.001, 1000))
def test_rates_scale_with_the_flow(co2: float, flow: float, factor: float) -> None:
    for name in ("F-11", "C-6", "concentration-flow"):
        once = EQUATIONS[name].rate_kg_h({"co2": co2, "flow": flow})
        scaled = EQUATIONS[name].rate_kg_h({"co2": co2, "flow": flow * factor})
        assert scaled == pytest.approx(float(once) * factor, rel=1e-12, abs=1e-300)


@given(st.decimals(0, 20, places=1), st.integers(0, 10**6), st.decimals(0, 60, places=1))
def test_live_and_reported_rates_differ_by_their_rounding_only(
    co2: Decimal, kscf: int, h2o: Decimal
) -> None:
    exact: dict[str, Decimal | None] = {"co2": co2, "flow": Decimal(1000 * kscf), "h2o": h2o}
    live = {"co2": float(co2), "flow": 1000.0 * kscf, "h2o": float(h2o)}
    for name in ("F-11", "F-2", "C-6", "C-7"):
        reported = EQUATIONS[name].reporting(exact).kg_h
        assert reported is not None
        half_step = 0 if EQUATIONS[name].hourly_places is None else 0.05 * float(SHORT_TON_KG)
        assert float(reported) == pytest.approx(
            float(EQUATIONS[name].rate_kg_h(live)), rel=1e-12, abs=half_step * 1.000001
        )


def test_a_diluent_takes_the_place_of_the_co2_monitor() -> None:
    equation = equation_for("F-2", diluent="F-14A", fuel="natural-gas")
    assert equation.id == "F-2/F-14A"
    assert [item.name for item in equation.inputs] == ["o2", "flow", "h2o"]
    # The rule goes on from the CO2 at one decimal: 3.4 %, not 3.3707 %.
    reported = equation.reporting(d(o2="15.0", flow="60000000", h2o="8.0"))
    assert (
        reported.value == EQUATIONS["F-2"].reporting(d(co2="3.4", flow="60000000", h2o="8.0")).value
    )


def test_a_substitute_co2_is_taken_instead_of_the_oxygen() -> None:
    equation = equation_for("F-2", diluent="F-14A", fuel="natural-gas")
    exact = d(co2="9.9", flow="60000000", h2o="8.0")
    assert equation.reporting(exact).value == EQUATIONS["F-2"].reporting(exact).value
    live = {"co2": 9.9, "flow": 6e7, "h2o": 8.0}
    assert equation.rate_kg_h(live) == EQUATIONS["F-2"].rate_kg_h(live)


def test_f_14b_reads_its_moisture_channel_once_for_both_uses() -> None:
    equation = equation_for("F-11", diluent="F-14B", fuel="oil")
    assert sorted(item.name for item in equation.inputs) == ["flow", "h2o", "o2"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"equation_id": "F-99"}, "no equation 'F-99'"),
        ({"equation_id": "F-14A"}, "name it as `diluent: F-14A`"),
        ({"equation_id": "F-2", "diluent": "F-14A"}, "needs a fuel"),
        ({"equation_id": "F-2", "diluent": "F-14C", "fuel": "oil"}, "no diluent 'F-14C'"),
        ({"equation_id": "F-2", "diluent": "F-14A", "fuel": "peat"}, "no F-factors for the fuel"),
        ({"equation_id": "F-11", "diluent": "F-14A", "fuel": "oil"}, "gives dry CO2"),
        ({"equation_id": "F-2", "diluent": "F-14B", "fuel": "oil"}, "gives wet CO2"),
        ({"equation_id": "mass-flow", "diluent": "F-14A", "fuel": "oil"}, "remove `diluent`"),
        ({"equation_id": "G-4"}, "needs a fuel"),
    ],
)
def test_what_cannot_be_put_together_is_refused(arguments: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        equation_for(**arguments)


def test_an_equation_that_needs_a_fuel_does_not_compute_without() -> None:
    with pytest.raises(ValueError, match="needs a fuel"):
        EQUATIONS["G-4"].rate_kg_h({"heat_input": 1.0})


@pytest.mark.parametrize(
    ("equation", "inputs", "says"),
    [
        ("F-11", {"co2": CO2_DRY, "flow": FLOW}, "on a wet basis"),
        ("F-2", {"co2": CO2_DRY, "flow": FLOW}, "needs the stack moisture"),
        ("F-2", {"co2": CO2_WET, "flow": FLOW, "h2o": H2O}, "on a dry basis"),
        ("F-11", {"co2": CO2_WET, "flow": FLOW, "h2o": H2O}, "takes no input called 'h2o'"),
        (
            "F-11",
            {"co2": CO2_WET, "flow": ChannelKind(quantity="power", unit="kW")},
            "gives power in kW",
        ),
        (
            "F-11",
            {"co2": CO2_WET, "flow": ChannelKind(quantity="volume_flow", unit="m3/h")},
            "temperature and pressure",
        ),
        (
            "F-11",
            {"co2": ChannelKind(quantity="fraction", unit="furlong"), "flow": FLOW},
            "unknown unit",
        ),
        (
            "concentration-flow",
            {
                "co2": ChannelKind(quantity="concentration", unit="g/Nm3", basis=Basis.DRY),
                "flow": ChannelKind(quantity="volume_flow", unit="Nm3/h", basis=Basis.WET),
            },
            "same basis",
        ),
    ],
)
def test_a_configuration_that_cannot_be_computed_is_refused_with_the_reason(
    equation: str, inputs: dict[str, ChannelKind], says: str
) -> None:
    reasons = EQUATIONS[equation].check(inputs)
    assert len(reasons) == 1
    assert says in reasons[0]


def test_every_reason_is_given_at_once() -> None:
    reasons = EQUATIONS["F-2"].check({"co2": CO2_WET, "velocity": FLOW})
    assert len(reasons) == 4


@pytest.mark.parametrize(
    ("equation", "inputs"),
    [
        ("F-11", {"co2": CO2_WET, "flow": FLOW}),
        ("F-2", {"co2": CO2_DRY, "flow": FLOW, "h2o": H2O}),
        (
            "C-7",
            {
                "co2": ChannelKind(quantity="fraction", unit="ppm", basis=Basis.DRY),
                "flow": ChannelKind(quantity="volume_flow", unit="Nm3/h", basis=Basis.WET),
                "h2o": H2O,
            },
        ),
        ("F-11", {"co2": H2O, "flow": ChannelKind(quantity="volume_flow", unit="scf/h")}),
        ("mass-flow", {"mass_flow": ChannelKind(quantity="mass_flow", unit="t/h")}),
    ],
)
def test_what_can_be_computed_is_accepted(equation: str, inputs: dict[str, ChannelKind]) -> None:
    assert EQUATIONS[equation].check(inputs) == []


def test_hourly_averages_are_recorded_as_the_rule_records_them() -> None:
    co2, flow = EQUATIONS["F-11"].inputs
    assert co2.record(12.349999) == Decimal("12.3")
    assert co2.record(12.25) == Decimal("12.3")
    assert flow.record(60_123_500.0) == Decimal(60_124_000)
    assert flow.record(math.nan) is None
    assert flow.record(None) is None
