"""Fuels whose heat or carbon is measured, against arithmetic by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from services.core.accounting.builtin_factors import versions_of
from services.core.accounting.factors import ConfigurationError
from services.core.accounting.gwp import AR6
from services.core.accounting.methods import ActivityMethod, MinuteMasses
from services.core.accounting.series import ChosenMinutes
from services.core.facility import assemble
from services.core.facility.model import ActivitySource, Channel

MINUTE = 60_000_000
METERS = {
    "scf": {"quantity": "volume", "unit": "scf", "kind": "counter"},
    "Nm3": {"quantity": "volume", "unit": "Nm3", "kind": "counter"},
    "m3": {"quantity": "volume", "unit": "m3", "kind": "counter"},
    "gal": {"quantity": "volume", "unit": "gal", "kind": "counter"},
    "short ton": {"quantity": "mass", "unit": "short ton", "kind": "counter"},
    "t": {"quantity": "mass", "unit": "t", "kind": "counter"},
    "t/h": {"quantity": "mass_flow", "unit": "t/h", "kind": "gauge"},
}
UNITS = {"heat_content": "energy_per_volume", "molecular_weight": "molar_mass"}


def quantity(name: str, unit: str) -> str:
    if name == "heat_content" and unit.endswith(("lb", "kg", "ton", "t")):
        return "energy_per_mass"
    if name == "carbon_content":
        return "fraction" if unit == "%" else "concentration"
    return UNITS[name]


def method(
    meter: str, fuel: str, equation: str, units: dict[str, str], **more: Any
) -> ActivityMethod:
    source = ActivitySource.model_validate(
        {
            "id": "s", "scope": 1, "method": "activity", "input": "m.fuel", "factor": fuel,
            "analysis": {"equation": equation, **{name: f"lab.{name[:4]}" for name in units}},
            **more,
        }
    )  # fmt: skip
    channels = {"input": Channel.model_validate({"id": "fuel", **METERS[meter]})}
    for name, unit in units.items():
        channels[name] = Channel.model_validate(
            {"id": name[:4], "quantity": quantity(name, unit), "unit": unit, "kind": "gauge"}
        )
    made = assemble.method(source, channels, enumerate(versions_of(fuel)), "UTC")
    assert isinstance(made, ActivityMethod)
    return made


def series(values: list[float], covered: list[int] | None = None) -> ChosenMinutes:
    return ChosenMinutes(
        value=np.array(values),
        covered_us=np.array(covered or [MINUTE] * len(values)),
        estimated_us=np.zeros(len(values), dtype=np.int64),
        is_rate=False,
    )


def burnt(
    made: ActivityMethod,
    fuel: list[float],
    covered: dict[str, list[int]] | None = None,
    **measured: list[float],
) -> MinuteMasses:
    given = {"input": series(fuel)} | {
        name: series(values, (covered or {}).get(name)) for name, values in measured.items()
    }
    return made.masses(given, np.arange(len(fuel)))


@pytest.mark.vector
@pytest.mark.parametrize(
    ("meter", "fuel", "equation", "units", "measured", "co2_kg", "mmbtu"),
    [
        # 1000 scf x 1.05 mmBtu/kscf x 53.06
        ("scf", "natural-gas", "C-2a", {"heat_content": "Btu/scf"}, [1050.0], 55.713, 1.05),
        # 0.91 t/short ton x 1000 kg x 0.72 x 44/12, a short ton; C-8 with 24.93 mmBtu
        (
            "short ton", "coal-bituminous", "C-3", {"carbon_content": "%"}, [72.0],
            1000 * 2402.4, 1000 * 24.93,
        ),
        # the same in tonnes: 1 / 0.90718474 short tons
        (
            "t", "coal-bituminous", "C-3", {"carbon_content": "%"}, [72.0],
            1000 * 2402.4 / 0.90718474, 1000 * 24.93 / 0.90718474,
        ),
        # C-8 with the heat content that is measured too: 1000 short tons x 25 mmBtu
        (
            "short ton", "coal-bituminous", "C-3",
            {"carbon_content": "%", "heat_content": "mmBtu/short ton"}, [72.0, 25.0],
            1000 * 2402.4, 25_000.0,
        ),
        # 44/12 x 2.79 kg/gal; 0.138 mmBtu/gal
        ("gal", "heating-oil", "C-4", {"carbon_content": "kg/gal"}, [2.79], 10_230.0, 138.0),
        # methane: 44 kg of CO2 from each 849.5 scf
        (
            "scf", "natural-gas", "C-5", {"carbon_content": "%", "molecular_weight": "g/mol"},
            [75.0, 16.0], 1000 * 44 / 849.5, 1.026,
        ),
        # 1000 Nm3 x 40 MJ / 1055.056 MJ
        (
            "Nm3", "natural-gas", "C-2a", {"heat_content": "MJ/Nm3"}, [40.0],
            40_000 / 1055.056 * 53.06, 40_000 / 1055.056,
        ),
        # 12 000 Btu/lb x 2000 lb = 24 mmBtu a short ton
        (
            "short ton", "coal-bituminous", "C-2a", {"heat_content": "Btu/lb"}, [12_000.0],
            1000 * 24 * 93.28, 24_000.0,
        ),
    ],
)  # fmt: skip
def test_a_minute_takes_what_is_measured_in_it(
    meter: str,
    fuel: str,
    equation: str,
    units: dict[str, str],
    measured: list[float],
    co2_kg: float,
    mmbtu: float,
) -> None:
    made = method(meter, fuel, equation, units)
    found = burnt(made, [1000.0], **{n: [v] for n, v in zip(units, measured, strict=True)})
    assert found.co2_kg[0] == pytest.approx(co2_kg, rel=1e-9)
    # CH4 and N2O by the heat, C-8 or C-9a
    (factor,) = versions_of(fuel)
    others = mmbtu * (factor.ch4_kg * AR6.ch4(factor.ch4_origin) + factor.n2o_kg * AR6.n2o)
    assert found.co2e_kg[0] - found.co2_kg[0] == pytest.approx(others, rel=1e-6)
    assert found.co2_biogenic_kg[0] == 0
    assert found.covered_us[0] == MINUTE


@pytest.mark.vector
def test_heat_contents_weigh_by_their_fuel_as_in_c_2b() -> None:
    """EPA's question 753: 1000 scf at 1020 and 2500 scf at 980 Btu are 991 Btu/scf."""
    made = method("scf", "natural-gas", "C-2a", {"heat_content": "Btu/scf"})
    found = burnt(made, [1000.0, 2500.0], heat_content=[1020.0, 980.0])
    assert round(found.co2_kg.sum() / 3500 / 53.06 * 1e6) == 991
    mean = (1020 * 1000 + 980 * 2500) / 3500
    assert found.co2_kg.sum() == pytest.approx(3500 * mean * 1e-6 * 53.06, rel=1e-12)
    # not the mean by time, which is 1000
    assert found.co2_kg.sum() != pytest.approx(3500 * 1000 * 1e-6 * 53.06, rel=1e-3)


def test_what_is_not_known_of_the_fuel_is_unknown_and_no_default() -> None:
    made = method("scf", "natural-gas", "C-2a", {"heat_content": "Btu/scf"})
    half = MINUTE // 2
    found = burnt(
        made,
        [1000.0] * 4,
        covered={"heat_content": [MINUTE, half, 0, MINUTE]},
        # the last is in kBtu by its look: no gas has a thousandth of the heat
        heat_content=[1026.0, 1026.0, math.nan, 1.026],
    )
    assert found.covered_us.tolist() == [MINUTE, half, 0, 0]
    assert found.co2_kg == pytest.approx([1.026 * 53.06, 0.513 * 53.06, 0, 0], rel=1e-9)
    assert found.activity is not None
    assert found.activity.tolist() == [1000.0, 500.0, 0.0, 0.0]


def test_the_carbon_of_biomass_is_biogenic() -> None:
    made = method("t", "wood", "C-3", {"carbon_content": "%"})
    found = burnt(made, [1.0], carbon_content=[45.0])
    assert found.co2_kg[0] == 0
    assert found.co2_biogenic_kg[0] == pytest.approx(44 / 12 * 0.45 * 0.91 * 1000 / 0.90718474)
    assert found.co2e_kg[0] > 0


@pytest.mark.parametrize(
    ("meter", "fuel", "equation", "units", "more", "says"),
    [
        ("scf", "natural-gas", "C-2a", {"heat_content": "MJ/kg"}, {}, "is energy_per_mass in MJ"),
        ("scf", "natural-gas", "C-2a", {"heat_content": "MJ/m3"}, {}, "not at the same conditions"),
        ("short ton", "coal-bituminous", "C-4", {"carbon_content": "kg/gal"}, {},
         "takes the fuel by"),
        ("t", "grid-gb", "C-3", {"carbon_content": "%"}, {}, "grid-gb"),
        ("scf", "natural-gas", "C-2a", {"heat_content": "MJ/Sm3"}, {"calorific_value": 38},
         "calorific_value"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(
    meter: str, fuel: str, equation: str, units: dict[str, str], more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        method(meter, fuel, equation, units, **more)
