from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.unit_table import named_units
from services.core.accounting.units import (
    MONEY,
    QUANTITIES,
    UnitError,
    conversion,
    convert,
    quantity_of,
    symbols,
    unit,
)

SPELLINGS = sorted({name for name, _ in named_units()})
SYMBOLS = sorted({each.symbol for _, each in named_units()})


@pytest.mark.vector
@pytest.mark.parametrize(
    ("value", "from_unit", "to_unit", "expected"),
    [
        (1.0, "kWh", "MJ", 3.6),
        (1.0, "GJ", "kWh", 277.77777777777777),
        (1.0, "mmBtu", "GJ", 1.055056),
        (1.0, "mmBtu", "kWh", 293.0711111111111),
        (1.0, "therm", "GJ", 0.1055056),
        (1.0, "short ton", "t", 0.90718474),
        (1.0, "lb", "kg", 0.45359237),
        (1.0, "ft3", "m3", 0.028316846592),
        (1.0, "Sm3", "Nm3", 0.9479437792816241),
        (1.0, "scf", "Nm3", 0.02638494506772915),
        (1.0, "scfh", "Nm3/h", 0.02638494506772915),
        (12.5, "%", "ppm", 125_000.0),
        (1.0, "g/Nm3", "mg/Nm3", 1000.0),
        (20.0, "degC", "K", 293.15),
        (68.0, "degF", "degC", 20.0),
        (-40.0, "degC", "degF", -40.0),
        (1.0, "atm", "kPa", 101.325),
        (1013.25, "hPa", "mbar", 1013.25),
        (1.0, "t/h", "kg/s", 0.2777777777777778),
        (3.0, "m³/h", "m3/h", 3.0),
    ],
)
def test_conversion(value: float, from_unit: str, to_unit: str, expected: float) -> None:
    assert convert(value, from_unit, to_unit) == pytest.approx(expected, rel=1e-13, abs=1e-12)


@pytest.mark.vector
@pytest.mark.parametrize(
    "spelling",
    ["m3", "m³", "kWh", "MWh", "Wh", "J", "MJ", "GJ", "mmBtu", "therm", "W", "kW", "MW", "%", "ppm",
     "g/Nm3", "mg/Nm³", "kg/h", "t/h", "scf/h", "scfh", "Nm3/h", "Nm³/h", "m3/h", "degC", "°C", "K",
     "degF", "Pa", "hPa", "kPa", "bar", "mbar", "kg", "g", "t", "short ton", "short_ton", "lb", "L",
     "Sm3", "scf"],
)  # fmt: skip
def test_common_spellings_are_known(spelling: str) -> None:
    assert quantity_of(spelling) in QUANTITIES


@given(st.sampled_from(SPELLINGS), st.data())
def test_there_and_back_again(name: str, data: st.DataObject) -> None:
    start = unit(name)
    same = [s for s in symbols(start.quantity) if unit(s).state == start.state]
    # a currency converts into no other
    other = name if start.quantity == MONEY else data.draw(st.sampled_from(same))
    value = data.draw(st.floats(-1e6, 1e6))
    there = convert(value, name, other)
    tolerance = 1e-9 * max(1.0, abs(conversion(other, name).offset))
    assert convert(there, other, name) == pytest.approx(value, rel=1e-12, abs=tolerance)


@given(st.sampled_from(SPELLINGS), st.floats(allow_nan=False, allow_infinity=False))
def test_a_unit_to_itself_changes_no_bit(name: str, value: float) -> None:
    assert convert(value, name, name) == value


def test_arrays_convert_and_keep_their_gaps() -> None:
    result = conversion("kWh", "MJ")(np.array([1.0, math.nan, 2.0]))
    assert result[[0, 2]].tolist() == [3.6, 7.2]
    assert math.isnan(result[1])


@pytest.mark.parametrize(
    ("from_unit", "to_unit", "says"),
    [
        ("kWh", "m3", "energy is not volume"),
        ("furlong", "kWh", "unknown unit 'furlong'"),
        ("kWh", "furlong", "unknown unit 'furlong'"),
        ("m3", "Nm3", "temperature and pressure"),
        ("scf/h", "m3/h", "temperature and pressure"),
        ("mg/m3", "mg/Nm3", "temperature and pressure"),
        ("kwh", "MJ", "did you mean kWh?"),
    ],
)
def test_an_error_names_both_units(from_unit: str, to_unit: str, says: str) -> None:
    with pytest.raises(UnitError) as caught:
        convert(1.0, from_unit, to_unit)
    for part in (repr(from_unit), repr(to_unit), says):
        assert part in str(caught.value)


def test_no_spelling_is_declared_twice() -> None:
    names = [name for name, _ in named_units()]
    assert len(names) == len(set(names))


def test_every_unit_says_where_its_number_is_from() -> None:
    assert all(each.source for _, each in named_units())


def test_symbols_of_a_quantity() -> None:
    assert "kWh" in symbols("energy")
    with pytest.raises(UnitError, match="unknown quantity 'charm'"):
        symbols("charm")
