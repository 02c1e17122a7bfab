"""What the name of a number says of its unit: ``total_kwh``, ``ENERGY.Power``, ``1-0:1.8.0``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from services.core.accounting.units import UnitError, quantity_of, unit

_LONGEST_UNIT: Final = 20
#: A word of a path.
WORD: Final = re.compile(r"\w+")
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

#: The last word of a name, in small letters -> the unit it is.
_SUFFIXES: Final = {
    "kwh": "kWh", "wh": "Wh", "mwh": "MWh", "kw": "kW", "w": "W", "watt": "W", "watts": "W",
    "m3": "m3", "litres": "l", "liters": "l", "kg": "kg",
}  # fmt: skip

#: OBIS codes of electricity and gas meters (IEC 62056-61): registers and powers of both ways.
_OBIS: Final = (
    (re.compile(r"(?:1-\d+:)?[12]\.8\.\d+"), "kWh"),
    (re.compile(r"(?:1-\d+:)?[12]\.7\.0"), "kW"),
    (re.compile(r"0-\d+:24\.2\.1"), "m3"),
)

#: Energy that flows out.
_EXPORT: Final = re.compile(
    r"export|returned|(?:\b|_|-)ret(?:\b|_|-)|(?:\b|_|-)out\b|produced|2\.8\.\d"
)

#: Words that say what is measured, and the unit that most devices send it in.
_USUAL: Final = (
    (frozenset({"power", "apower"}), "W"),
    (
        frozenset(
            {"energy", "consumption", "import", "export", "imported", "exported", "delivered",
             "yield", "aenergy"}
        ),
        "kWh",
    ),
    (frozenset({"gas"}), "m3"),
)  # fmt: skip
#: Other quantities that a name may add to a word above, which is none of them then.
_OTHERS: Final = frozenset(
    {"factor", "reactive", "apparent", "price", "cost", "tariff", "today", "yesterday", "daily",
     "day", "month", "monthly", "year", "period", "status", "state", "limit", "max", "min", "avg",
     "percent", "quality", "on", "voltage", "current", "frequency", "temperature"}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a name says."""

    unit: str
    #: whether it says so itself, or it is what most devices mean
    sure: bool


def meaning(name: str) -> Meaning | None:
    """Return what a name or path says of its number; None: nothing that counts."""
    for pattern, symbol in _OBIS:
        if pattern.search(name):
            return Meaning(unit=symbol, sure=True)
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or not _OTHERS.isdisjoint(words):
        return None
    last = "".join(words[-2:]) if words[-1].isdigit() else words[-1]
    if last in _SUFFIXES:
        return Meaning(unit=_SUFFIXES[last], sure=True)
    for known, symbol in _USUAL:
        if not known.isdisjoint(words):
            return Meaning(unit=symbol, sure=False)
    return None


def is_export(name: str) -> bool:
    """Whether a name or path is one of energy that flows out."""
    return _EXPORT.search(name.lower()) is not None


def known_unit(symbol: str | None) -> str | None:
    """Return a unit that a device states as facility files write it; None: they have none."""
    if not symbol or len(symbol) > _LONGEST_UNIT:
        return None
    written = {"L": "l", "°C": "degC", "°F": "degF"}.get(symbol, symbol)
    try:
        unit(written)
    except UnitError:
        return None
    return written


def quantity(symbol: str) -> str:
    """Return the quantity of a unit.

    :raises UnitError: there is no such unit.
    """
    return quantity_of(symbol)
