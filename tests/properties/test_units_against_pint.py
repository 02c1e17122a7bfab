"""Every unit's factor is the one that pint has."""

from __future__ import annotations

from fractions import Fraction

import pint
import pytest

from services.core.accounting.unit_table import named_units
from services.core.accounting.units import MONEY, unit

Registry = pint.UnitRegistry[float]

#: pint has no currencies: none converts into another here.
SYMBOLS = sorted({each.symbol for _, each in named_units() if each.quantity != MONEY})

#: The reference unit of each quantity in pint's words.
CANONICAL = {
    "energy": "joule",
    "power": "watt",
    "apparent_energy": "joule",
    "apparent_power": "watt",
    "reactive_energy": "joule",
    "reactive_power": "watt",
    "volume": "meter ** 3",
    "volume_flow": "meter ** 3 / second",
    "mass": "kilogram",
    "mass_flow": "kilogram / second",
    "fraction": "dimensionless",
    "concentration": "kilogram / meter ** 3",
    "temperature": "kelvin",
    "pressure": "pascal",
    "velocity": "meter / second",
    "time": "second",
    "energy_per_volume": "joule / meter ** 3",
    "energy_per_mass": "joule / kilogram",
    "molar_mass": "kilogram / mole",
    "count": "piece",
    "count_flow": "piece / second",
    "distance": "meter",
    "passenger_distance": "passenger * meter",
    "freight": "kilogram * meter",
}

#: Words pint has no name for, or another meaning; reference gas volumes as actual ones.
IN_PINT = {
    "Nm3": "meter ** 3",
    "NL": "liter",
    "Sm3": "meter ** 3",
    "scf": "foot ** 3",
    "kscf": "kilofoot3",
    "m3": "meter ** 3",
    "ft3": "foot ** 3",
    "hcf": "hectofoot3",
    "kg/m3": "kilogram / meter ** 3",
    "mmBtu": "megaBtu",
    "therm": "therm",
    "1": "dimensionless",
    "%": "percent",
    "ppb": "ppb",
    "degC": "degC",
    "degF": "degF",
    "short ton": "short_ton",
    "mL": "milliliter",
    "L": "liter",
    "gal": "gallon",
    "bbl": "oil_bbl",
    "t": "tonne",
    "kt": "kilotonne",
    "Wmin": "watt * minute",
    **{
        f"{prefix}{name}{hours}": f"{prefix}watt{words}"
        for prefix in ("", "k", "M")
        for name in ("VA", "var")
        for hours, words in (("", ""), ("h", " * hour"))
    },
    "d": "day",
    "inHg": "inch_Hg",
    "mmHg": "mmHg",
    "pkm": "passenger * kilometer",
    "passenger-mile": "passenger * mile",
    "tkm": "tonne * kilometer",
    "ton-mile": "short_ton * mile",
}

SPANS = {"s": "second", "m": "minute", "h": "hour"}

#: What a gas unit's own temperature makes of an actual cubic metre, exactly.
TO_NORMAL = {
    "Nm3": Fraction(1),
    "NL": Fraction(1),
    "Sm3": Fraction("273.15") / Fraction("288.15"),
    "scf": Fraction("273.15") / Fraction("293.15"),
    "kscf": Fraction("273.15") / Fraction("293.15"),
    "MMscf": Fraction("273.15") / Fraction("293.15"),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    made: Registry = pint.UnitRegistry()
    for line in (
        "kilofoot3 = 1000 * foot ** 3",
        "hectofoot3 = 100 * foot ** 3",
        "megafoot3 = 1000000 * foot ** 3",
        "ppb = 1e-9",
        "piece = [piece]",
        "passenger = [passenger]",
    ):
        made.define(line)
    return made


def _pint_words(symbol: str) -> str:
    words = {**IN_PINT, "MMscf": "megafoot3"}
    if symbol in words:
        return words[symbol]
    if symbol in {"scfs", "scfm", "scfh"}:
        return f"foot ** 3 / {SPANS[symbol[-1]]}"
    if "/" in symbol:
        over, under = symbol.split("/")
        return f"({words.get(over, over)}) / ({words.get(under, under)})"
    return symbol


def _reference_factor(symbol: str) -> Fraction:
    """What turns pint's actual volume into one at 0 degC, above or below the fraction bar."""
    over, _, under = symbol.partition("/")
    if over in {"scfs", "scfm", "scfh"}:
        return TO_NORMAL["scf"]
    return TO_NORMAL.get(over, Fraction(1)) / TO_NORMAL.get(under, Fraction(1))


@pytest.mark.vector
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_factor_agrees_with_pint(symbol: str, registry: Registry) -> None:
    ours = unit(symbol)
    theirs = registry.Quantity(1.0, _pint_words(symbol)).to(CANONICAL[ours.quantity]).magnitude
    expected = theirs * float(_reference_factor(symbol))
    assert float(ours.scale + ours.offset) == pytest.approx(expected, rel=1e-9)
