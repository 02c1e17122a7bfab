"""The table of units: exact numbers, each with where it comes from.

`units` looks names up in it; nothing else needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

State = Literal["actual", "reference"]

SI = "SI Brochure, 9th edition (BIPM 2019)"
NIST = "NIST SP 811 (2008), Appendix B.8"
ISO_BTU = "ISO 31-4:1992: 1 Btu = 1055.056 J"
EC_THERM = "Directive 80/181/EEC: 1 therm = 105.5056 MJ"
SM3 = "ISO 13443:1996 (15 degC, 101.325 kPa)"
NM3 = "DIN 1343:1990 (0 degC, 101.325 kPa)"
SCF = "40 CFR 60.2, standard conditions (68 degF, 29.92 in. Hg)"
ISO_4217 = "ISO 4217"
MMHG = "BS 350: conventional millimetre of mercury"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One unit: `canonical = value * scale + offset`, exact, canonical being the SI unit.

    `quantity` is the name a facility file uses; `state` tells actual from reference gas volumes;
    `source` is where the number comes from.
    """

    symbol: str
    quantity: str
    scale: Fraction
    offset: Fraction = Fraction(0)
    state: State = "actual"
    source: str = SI


Named = tuple[str, Unit]

#: Money that spend-based factors are by.
CURRENCIES = (
    *("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS"),
    *("INR", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "THB", "TRY"),
    *("TWD", "USD", "VND", "ZAR"),
)

_INCH = Fraction("0.0254")
_FOOT = 12 * _INCH
_FT3 = _FOOT**3
_GALLON_US = 231 * _INCH**3
_LB = Fraction("0.45359237")
_BTU = Fraction("1055.056")
_ZERO_C = Fraction("273.15")
_SM3 = _ZERO_C / (_ZERO_C + 15)
_SCF = _FT3 * _ZERO_C / (_ZERO_C + 20)
_MMHG = Fraction("133.322387415")

_TIMES: tuple[tuple[str, Fraction], ...] = (
    ("s|sec", Fraction(1)),
    ("min", Fraction(60)),
    ("h|hr", Fraction(3600)),
    ("d|day", Fraction(86400)),
)
_HOUR = Fraction(3600)


def named_units() -> Iterator[Named]:
    """Every spelling with its unit; no spelling comes twice."""
    yield from _energy_and_power()
    yield from _volumes()
    yield from _masses()
    yield from _fractions_and_concentrations()
    yield from _of_fuels()
    yield from _conditions()
    yield from _counts()
    yield from _of_journeys()
    yield from _money()


def _spell(
    quantity: str,
    names: str,
    scale: Fraction | int,
    source: str = SI,
    *,
    offset: Fraction | int = 0,
    state: State = "actual",
) -> Iterator[Named]:
    spellings = names.split("|")
    made = Unit(
        symbol=spellings[0],
        quantity=quantity,
        scale=Fraction(scale),
        offset=Fraction(offset),
        state=state,
        source=source,
    )
    for spelling in spellings:
        yield spelling, made


def _per_time(
    quantity: str, names: str, scale: Fraction, source: str, state: State
) -> Iterator[Named]:
    for times, seconds in _TIMES:
        flows = "|".join(f"{n}/{t}" for n in names.split("|") for t in times.split("|"))
        yield from _spell(quantity, flows, scale / seconds, source, state=state)


def _energy_and_power() -> Iterator[Named]:
    for prefix, power in (("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12)):
        yield from _spell("energy", f"{prefix}J", 10**power)
        yield from _spell("energy", f"{prefix}Wh", 3600 * 10**power)
        yield from _spell("power", f"{prefix}W", 10**power)
    for prefix, power in (("", 0), ("k", 3), ("M", 6)):
        # of one dimension with energy and power, and none: they are never added up with these
        yield from _spell("apparent_energy", f"{prefix}VAh", 3600 * 10**power)
        yield from _spell("apparent_power", f"{prefix}VA", 10**power)
        yield from _spell("reactive_energy", f"{prefix}varh", 3600 * 10**power)
        yield from _spell("reactive_power", f"{prefix}var", 10**power)
    yield from _spell("energy", "Wmin", 60)
    yield from _spell("energy", "Btu|BTU", _BTU, ISO_BTU)
    yield from _spell("energy", "mmBtu|MMBtu|mmBTU|MMBTU", _BTU * 10**6, ISO_BTU)
    yield from _spell("energy", "therm|thm", _BTU * 10**5, EC_THERM)
    yield from _spell("power", "kJ/h", 10**3 / _HOUR)
    yield from _spell("power", "MJ/h", 10**6 / _HOUR)
    yield from _spell("power", "GJ/h", 10**9 / _HOUR)
    yield from _spell("power", "mmBtu/h|mmBtu/hr|MMBtu/h|MMBtu/hr", _BTU * 10**6 / _HOUR, ISO_BTU)


def _volumes() -> Iterator[Named]:
    volumes: tuple[tuple[str, Fraction, State, str], ...] = (
        ("m3|m^3|cbm", Fraction(1), "actual", SI),
        ("L|l|dm3|liter|litre", Fraction(1, 1000), "actual", SI),
        ("mL|ml", Fraction(1, 10**6), "actual", SI),
        ("ft3|cf|acf|cuft", _FT3, "actual", NIST),
        ("gal|US gal|gallon", _GALLON_US, "actual", NIST),
        ("bbl|barrel", 42 * _GALLON_US, "actual", NIST),
        ("Nm3|Nm^3|m3N", Fraction(1), "reference", NM3),
        ("NL|Nl", Fraction(1, 1000), "reference", NM3),
        ("Sm3|Sm^3", _SM3, "reference", SM3),
        ("scf|Scf|dscf|wscf", _SCF, "reference", SCF),
        ("kscf|Mscf", 1000 * _SCF, "reference", SCF),
        ("MMscf|mmscf", 10**6 * _SCF, "reference", SCF),
    )
    for names, scale, state, source in volumes:
        yield from _spell("volume", names, scale, source, state=state)
        yield from _per_time("volume_flow", names, scale, source, state)
    yield from _spell("volume", "hcf|ccf|100 ft3", 100 * _FT3, NIST)
    for name, seconds in (("scfs", 1), ("scfm", 60), ("scfh", 3600)):
        yield from _spell("volume_flow", name, _SCF / seconds, SCF, state="reference")


def _masses() -> Iterator[Named]:
    masses = (
        ("kg", Fraction(1), SI),
        ("g", Fraction(1, 1000), SI),
        ("mg", Fraction(1, 10**6), SI),
        ("t|tonne|Mg", Fraction(1000), SI),
        ("kt|Gg", Fraction(10**6), SI),
        ("lb|lbs", _LB, NIST),
        ("short ton|short tons", 2000 * _LB, NIST),
    )
    for names, scale, source in masses:
        yield from _spell("mass", names, scale, source)
        yield from _per_time("mass_flow", names, scale, source, "actual")


def _fractions_and_concentrations() -> Iterator[Named]:
    yield from _spell("fraction", "1|fraction|mol/mol|m3/m3", 1)
    yield from _spell("fraction", "%|percent|vol%|%vol|mol%", Fraction(1, 100))
    yield from _spell("fraction", "ppm|ppmv", Fraction(1, 10**6))
    yield from _spell("fraction", "ppb|ppbv", Fraction(1, 10**9))
    for mass, micrograms in (("kg", 10**9), ("g", 10**6), ("mg", 10**3), ("ug", 1)):
        kilograms = Fraction(micrograms, 10**9)
        yield from _spell("concentration", f"{mass}/m3|{mass}/m^3", kilograms)
        yield from _spell(
            "concentration", f"{mass}/Nm3|{mass}/Nm^3", kilograms, NM3, state="reference"
        )
        yield from _spell("concentration", f"{mass}/Sm3", kilograms / _SM3, SM3, state="reference")
    yield from _spell("concentration", "lb/scf", _LB / _SCF, SCF, state="reference")
    yield from _spell("concentration", "kg/L|kg/l|g/mL", 1000)
    yield from _spell("concentration", "kg/gal", 1 / _GALLON_US, NIST)
    yield from _spell("concentration", "lb/gal", _LB / _GALLON_US, NIST)


def _of_fuels() -> Iterator[Named]:
    mmbtu, kwh = _BTU * 10**6, Fraction(36 * 10**5)
    by_volume: tuple[tuple[str, Fraction, str, State], ...] = (
        ("MJ/m3|MJ/m^3", Fraction(10**6), SI, "actual"),
        ("kWh/m3|kWh/m^3", kwh, SI, "actual"),
        ("MJ/L|MJ/l", Fraction(10**9), SI, "actual"),
        ("Btu/gal|BTU/gal", _BTU / _GALLON_US, NIST, "actual"),
        ("mmBtu/gal|MMBtu/gal", mmbtu / _GALLON_US, NIST, "actual"),
        ("mmBtu/bbl|MMBtu/bbl", mmbtu / (42 * _GALLON_US), NIST, "actual"),
        ("MJ/Nm3|MJ/Nm^3", Fraction(10**6), NM3, "reference"),
        ("kWh/Nm3|kWh/Nm^3", kwh, NM3, "reference"),
        ("MJ/Sm3|MJ/Sm^3", 10**6 / _SM3, SM3, "reference"),
        ("kWh/Sm3|kWh/Sm^3", kwh / _SM3, SM3, "reference"),
        ("Btu/scf|BTU/scf", _BTU / _SCF, SCF, "reference"),
        ("mmBtu/scf|MMBtu/scf", mmbtu / _SCF, SCF, "reference"),
        ("mmBtu/kscf|MMBtu/Mscf|mmBtu/Mscf", mmbtu / (1000 * _SCF), SCF, "reference"),
    )
    for names, joules, source, state in by_volume:
        yield from _spell("energy_per_volume", names, joules, source, state=state)
    for names, joules, source in (
        ("MJ/kg|GJ/t|kJ/g", Fraction(10**6), SI),
        ("kJ/kg", Fraction(1000), SI),
        ("kWh/kg|MWh/t", kwh, SI),
        ("Btu/lb|BTU/lb", _BTU / _LB, ISO_BTU),
        ("mmBtu/lb|MMBtu/lb", mmbtu / _LB, ISO_BTU),
        ("mmBtu/short ton|MMBtu/short ton", mmbtu / (2000 * _LB), ISO_BTU),
    ):
        yield from _spell("energy_per_mass", names, joules, source)
    yield from _spell("molar_mass", "kg/kmol|g/mol|kg/kg-mole|lb/lb-mole", Fraction(1, 1000))


def _counts() -> Iterator[Named]:
    yield from _spell("count", "piece|pieces|pcs", 1)
    yield from _per_time("count_flow", "piece|pieces|pcs", Fraction(1), SI, "actual")


def _of_journeys() -> Iterator[Named]:
    mile = 5280 * _FOOT
    for names, metres, source in (("km", Fraction(1000), SI), ("mile|miles", mile, NIST)):
        yield from _spell("distance", names, metres, source)
    for names, metres, source in (
        ("pkm|passenger-km", Fraction(1000), SI),
        ("passenger-mile|passenger-miles", mile, NIST),
    ):
        yield from _spell("passenger_distance", names, metres, source)
    for names, kilograms, metres, source in (
        ("tkm|t.km|tonne-km", Fraction(1000), Fraction(1000), SI),
        ("ton-mile|short ton-mile", 2000 * _LB, mile, NIST),
    ):
        yield from _spell("freight", names, kilograms * metres, source)


def _money() -> Iterator[Named]:
    # each is a unit of its own: what one is worth in another changes by the day
    for currency in CURRENCIES:
        yield from _spell("money", currency, 1, ISO_4217)


def _conditions() -> Iterator[Named]:
    yield from _spell("temperature", "K|kelvin", 1)
    yield from _spell("temperature", "degC|°C|C|Cel|celsius", 1, offset=_ZERO_C)
    fahrenheit = Fraction(5, 9)
    yield from _spell(
        "temperature", "degF|°F|F|fahrenheit", fahrenheit, NIST, offset=_ZERO_C - 32 * fahrenheit
    )
    for names, pascals in (
        ("Pa", 1),
        ("hPa", 100),
        ("kPa", 1000),
        ("MPa", 10**6),
        ("bar", 10**5),
        ("mbar", 100),
        ("atm", 101325),
    ):
        yield from _spell("pressure", names, pascals)
    yield from _spell("pressure", "psi|psia", _LB * Fraction("9.80665") / _INCH**2, NIST)
    yield from _spell("pressure", "mmHg", _MMHG, MMHG)
    yield from _spell("pressure", "inHg", _MMHG * Fraction("25.4"), MMHG)
    yield from _spell("velocity", "m/s", 1)
    yield from _spell("velocity", "km/h", 1000 / _HOUR)
    yield from _spell("velocity", "ft/s", _FOOT, NIST)
    yield from _spell("velocity", "ft/min|fpm", _FOOT / 60, NIST)
    for times, seconds in _TIMES:
        yield from _spell("time", times, seconds)
