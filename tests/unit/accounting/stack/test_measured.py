"""From a stack's channels to the inputs of its equation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from services.core.accounting.factors import ConfigurationError
from services.core.accounting.methods import StackMethod
from services.core.accounting.series import MinuteSeries
from services.core.facility import assemble, model

CO2 = {"id": "co2", "quantity": "concentration", "unit": "g/Nm3", "kind": "gauge"}
FLOW = {"id": "flow", "quantity": "volume_flow", "unit": "m3/h", "kind": "gauge"}
NORMAL_FLOW = {**FLOW, "unit": "Nm3/h"}
TEMPERATURE = {"id": "t", "quantity": "temperature", "unit": "degC", "kind": "gauge"}
PRESSURE = {"id": "p", "quantity": "pressure", "unit": "mbar", "kind": "gauge"}
MOISTURE = {"id": "h2o", "quantity": "fraction", "unit": "%", "kind": "gauge"}
PERCENT = {"id": "co2", "quantity": "fraction", "unit": "%", "kind": "gauge"}


def method(equation: str, channels: dict[str, dict[str, Any]], **more: str) -> StackMethod:
    source = model.StackSource.model_validate(
        {
            "id": "s",
            "scope": 1,
            "method": "stack",
            "equation": equation,
            "inputs": {role: f"d.{channel['id']}" for role, channel in channels.items()},
            **more,
        }
    )
    return assemble.stack_method(
        source, {role: model.Channel.model_validate(each) for role, each in channels.items()}
    )


def rate_kg_h(found: StackMethod, **channels: float) -> float:
    inputs = {i.name: found.inputs.value(i.name, channels) for i in found.equation.inputs}
    return float(found.equation.rate_kg_h(inputs))


def test_a_flow_as_it_flows_is_brought_to_normal_conditions() -> None:
    found = method(
        "concentration-flow",
        {"co2": CO2, "flow": FLOW, "temperature": TEMPERATURE, "pressure": PRESSURE},
    )
    # 100 g/Nm3 in 10 000 m3/h at 136.575 degC (half as dense again) and 0.9 atm
    assert rate_kg_h(
        found, co2=100.0, flow=10_000.0, temperature=136.575, pressure=911.925
    ) == pytest.approx(100 * 10_000 / 1.5 * 0.9 / 1000)


def test_a_flow_as_it_flows_reaches_the_standard_feet_of_the_us_rules() -> None:
    found = method(
        "F-11",
        {"co2": PERCENT, "flow": FLOW, "temperature": TEMPERATURE, "pressure": PRESSURE},
    )
    # 1 m3 at 68 degF and 1 atm is 35.3147 scf
    at_68_f = rate_kg_h(found, co2=12.0, flow=1000.0, temperature=20.0, pressure=1013.25)
    assert at_68_f == pytest.approx(5.7e-7 * 12 * 35_314.67 * 907.18474, rel=1e-4)


def test_a_wet_flow_beside_a_dry_concentration_is_dried() -> None:
    found = method(
        "concentration-flow",
        {
            "co2": {**CO2, "basis": "dry"},
            "flow": {**NORMAL_FLOW, "basis": "wet"},
            "h2o": MOISTURE,
        },
    )
    assert rate_kg_h(found, co2=100.0, flow=1000.0, h2o=20.0) == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ({"co2": CO2, "flow": FLOW}, "add its temperature and its absolute pressure"),
        ({"co2": CO2, "flow": NORMAL_FLOW, "temperature": TEMPERATURE}, "no input called"),
        (
            {"co2": {**CO2, "basis": "dry"}, "flow": {**NORMAL_FLOW, "basis": "wet"}},
            "same basis",
        ),
        (
            {"co2": CO2, "flow": FLOW, "temperature": PRESSURE, "pressure": PRESSURE},
            "pressure is not temperature",
        ),
    ],
)
def test_what_cannot_be_brought_together_is_refused(
    channels: dict[str, dict[str, Any]], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        method("concentration-flow", channels)
    assert isinstance(refused.value, ConfigurationError | ValueError)


def test_a_minute_is_covered_where_all_its_channels_are() -> None:
    found = method(
        "concentration-flow",
        {"co2": CO2, "flow": FLOW, "temperature": TEMPERATURE, "pressure": PRESSURE},
    )

    def series(value: float, covered_s: int) -> MinuteSeries:
        return MinuteSeries(
            first_minute=0,
            value=np.array([value if covered_s else math.nan]),
            covered_us=np.array([covered_s * 1_000_000]),
            estimated_us=np.array([0]),
            is_rate=True,
        )

    minutes = np.array([0])
    given = {
        "co2": series(100.0, 60),
        "flow": series(1000.0, 60),
        "temperature": series(0.0, 30),
        "pressure": series(1013.25, 60),
    }
    half = found.masses(given, minutes)
    assert (half.covered_us[0], half.co2_kg[0]) == (30_000_000, pytest.approx(100 / 120))
    assert found.masses({**given, "temperature": series(0.0, 0)}, minutes).covered_us[0] == 0


def test_sensitivities_are_those_of_the_formula() -> None:
    wet = {**PERCENT, "basis": "wet"}
    flow = {**FLOW, "unit": "scf/h"}
    found = method("F-2", {"co2": PERCENT, "flow": flow, "h2o": MOISTURE}).sensitivities(
        {"co2": 12.0, "flow": 1e6, "h2o": 10.0}
    )
    assert found == {
        "co2": pytest.approx(1.0),
        "flow": pytest.approx(1.0),
        "h2o": pytest.approx(-10 / 90),
    }
    oxygen = method(
        "F-2",
        {"o2": PERCENT, "flow": flow, "h2o": MOISTURE},
        diluent="F-14A",
        fuel="natural-gas",
    ).sensitivities({"o2": 15.0, "flow": 1e6, "h2o": 10.0})
    assert oxygen["o2"] == pytest.approx(-15 / 5.9)
    hot = method(
        "F-11", {"co2": wet, "flow": FLOW, "temperature": TEMPERATURE, "pressure": PRESSURE}
    ).sensitivities({"co2": 12.0, "flow": 1e3, "temperature": 100.0, "pressure": 1000.0})
    assert hot["temperature"] == pytest.approx(-100 / 373.15, rel=1e-4)
    assert hot["pressure"] == pytest.approx(1.0)


def test_sensitivities_without_an_input_are_not_known() -> None:
    found = method("F-11", {"co2": PERCENT, "flow": {**FLOW, "unit": "scf/h"}})
    assert math.isnan(found.sensitivities({"flow": 1e6})["flow"])
