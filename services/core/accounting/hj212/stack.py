"""What the hours and days of a stack say in HJ 212: codes, units, letters, and what is left out.

Nothing is invented: a figure that was not measured by a valid hour is not sent, and a substitute
is none that was measured. What is not sent is told beside the frames, with why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from services.core.accounting import gas
from services.core.accounting.hj212.frames import Edition
from services.core.accounting.stack.inputs import Basis
from services.core.accounting.stack.rounding import half_away
from services.core.accounting.units import conversion

#: Times in frames are Beijing time, which has no summer time today; days are cut by it.
BEIJING: Final = timezone(timedelta(hours=8))

STATIONARY_SOURCE: Final = "31"
HOUR: Final = "2061"
DAY: Final = "2031"

#: The letters of HJ 212-2017, table 8.
NORMAL, STOPPED, MAINTENANCE, FAULT, CALIBRATION, ABOVE_RANGE, NO_CONTACT = "NFMDCTB"
LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NORMAL: "the instrument works normally",
        STOPPED: "the instrument is stopped: the unit did not operate",
        MAINTENANCE: "maintenance",
        "S": "a value set by hand",
        FAULT: "a fault of the instrument",
        CALIBRATION: "calibration",
        ABOVE_RANGE: "above the range of measurement",
        NO_CONTACT: "no contact between instrument and data logger",
    }
)

CO2: Final = "a05001"
FLOW: Final = "a00000"
OXYGEN: Final = "a19001"
MOISTURE: Final = "a01014"
#: By tonne's name of the substance: the code of HJ 212 annex B (gases).
SUBSTANCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "so2": "a21026",
        "nox": "a21002",
        "co": "a21005",
        "dust": "a34013",
        "hcl": "a21024",
        "hf": "a21018",
        "hg": "a20057",
    }
)

#: Decimals of a mean by code, in the editions of 2017 and 2025; where the newer one was not read,
#: those of 2017.
_DECIMALS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        CO2: (3, 3), FLOW: (1, 1), OXYGEN: (1, 2), MOISTURE: (1, 2), "a21026": (2, 2),
        "a21002": (1, 2), "a21005": (3, 3), "a34013": (0, 1), "a21024": (3, 3), "a21018": (3, 3),
        "a20057": (4, 4),
    }
)  # fmt: skip
#: Decimals of an amount: kg, or m3 of gas.
_AMOUNT_DECIMALS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredInput:
    """An input of the equation over an hour, as it was recorded."""

    role: str
    #: in `unit`; None: nothing is known
    average: Decimal | None
    unit: str
    #: None: neither the equation nor the channel states it
    basis: Basis | None
    letter: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredPollutant:
    """A pollutant over an hour; mg/Nm3 dry, kg."""

    name: str
    substance: str
    average: Decimal | None
    #: at the reference oxygen; None: there is none, or nothing is known
    at_reference: Decimal | None
    mass_kg: Decimal | None
    letter: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StackHour:
    """A final hour of a stack under a rule."""

    begins: datetime
    #: as the rule reports it; None: it could not be computed
    co2_kg: Decimal | None
    #: a substitute stands for an input that was not valid
    substituted: bool
    operating_s: Decimal
    letter: str
    inputs: Sequence[MeasuredInput] = ()
    pollutants: Sequence[MeasuredPollutant] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """One code over a period; `amount` in kg, of the flow in m3. None: not measured."""

    code: str
    letter: str
    average: Decimal | None = None
    at_reference: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What is sent of a period, and what is not, with why."""

    quantities: tuple[Quantity, ...]
    left_out: tuple[str, ...] = field(default=())

    @property
    def letter(self) -> str:
        """The letter of CO2, which each period has."""
        return self.quantities[0].letter


def of_hour(hour: StackHour) -> Content:
    """Return what is sent of an hour; figures that no valid hour measured are left out."""
    if hour.letter == STOPPED:
        return Content(quantities=(Quantity(code=CO2, letter=STOPPED, amount=Decimal(0)),))
    by_role = {item.role: item for item in hour.inputs}
    moisture = _usable(by_role.get("h2o"))
    left_out: list[str] = []
    amount = hour.co2_kg
    if hour.substituted and amount is not None:
        left_out.append(f"{CO2}-Cou: {amount:f} kg are a substitute")
        amount = None
    elif amount is None:
        left_out.append(f"{CO2}-Cou: the hour has no value")
    co2 = by_role.get("co2")
    average = _dry(_co2_mg_nm3(co2), co2, moisture, CO2, left_out)
    quantities = [Quantity(code=CO2, letter=hour.letter, average=average, amount=amount)]
    if "flow" in by_role:
        flow = by_role["flow"]
        mean = _dry(_nm3_h(flow), flow, moisture, FLOW, left_out)
        quantities.append(
            Quantity(
                code=FLOW,
                letter=flow.letter,
                average=None if mean is None else mean / 3600,
                amount=None if mean is None else mean * hour.operating_s / 3600,
            )
        )
    quantities += [
        Quantity(code=code, letter=by_role[role].letter, average=_usable(by_role[role]))
        for role, code in (("o2", OXYGEN), ("h2o", MOISTURE))
        if role in by_role
    ]
    for pollutant in hour.pollutants:
        code = SUBSTANCES.get(pollutant.substance)
        if code is None:
            left_out.append(f"{pollutant.name}: no code of HJ 212 is known for it here")
            continue
        quantities.append(
            Quantity(
                code=code,
                letter=pollutant.letter,
                average=pollutant.average,
                at_reference=pollutant.at_reference,
                amount=pollutant.mass_kg,
            )
        )
    return Content(quantities=tuple(quantities), left_out=tuple(left_out))


def of_day(hours: Mapping[datetime, Content], begins: datetime) -> Content:
    """Return what is sent of the 24 hours from ``begins``: means over hours that have one.

    An amount is sent where each hour has it, or the unit stood still: a part of a day would be
    read as the day. The letter is N where each hour that operated has it, F where none operated,
    else the most frequent one of the others; an hour of which nothing is final makes it B.
    """
    expected = [begins + timedelta(hours=number) for number in range(24)]
    content = [hours[hour] for hour in expected if hour in hours]
    absent = len(expected) - len(content)
    codes = dict.fromkeys(q.code for part in content for q in part.quantities)
    left_out: list[str] = []
    quantities = []
    for code in dict.fromkeys([CO2, *codes]):
        of_code = [q for part in content for q in part.quantities if q.code == code]
        # a code that an idle hour does not name is not missing in it
        idle = sum(part.letter == STOPPED and code != CO2 for part in content)
        without = len(expected) - idle - sum(q.amount is not None for q in of_code)
        amount = None
        if not without and of_code:
            amount = sum((q.amount or Decimal(0) for q in of_code), Decimal(0))
        elif code in (CO2, FLOW):
            left_out.append(f"{code}-Cou: {without} of 24 hours have none")
        quantities.append(
            Quantity(
                code=code,
                letter=_of_letters([q.letter for q in of_code], absent),
                average=_mean(q.average for q in of_code),
                at_reference=_mean(q.at_reference for q in of_code),
                amount=amount,
            )
        )
    return Content(quantities=tuple(quantities), left_out=tuple(left_out))


def groups(begins: datetime, content: Content, edition: Edition) -> list[str]:
    """Return the groups of a region; `DataTime` is the period's first second, Beijing time."""
    newer = edition is Edition.E2025
    lines = [f"DataTime={begins.astimezone(BEIJING):%Y%m%d%H%M%S}"]
    for quantity in content.quantities:
        places = _DECIMALS[quantity.code][newer]
        fields = {
            "Cou": _text(quantity.amount, _AMOUNT_DECIMALS),
            "Avg": _text(quantity.average, places),
            "ZsAvg": _text(quantity.at_reference, places),
            "Flag": quantity.letter,
        }
        lines.append(
            ",".join(f"{quantity.code}-{name}={text}" for name, text in fields.items() if text)
        )
    return lines


def _text(value: Decimal | None, places: int) -> str:
    return "" if value is None else f"{half_away(value, places):f}"


def _usable(item: MeasuredInput | None) -> Decimal | None:
    """Return the average of an input that was measured."""
    if item is None or item.letter not in (NORMAL, ABOVE_RANGE):
        return None
    return item.average


def _dry(
    wet: Decimal | None,
    item: MeasuredInput | None,
    moisture: Decimal | None,
    code: str,
    left_out: list[str],
) -> Decimal | None:
    """Return the dry figure, as HJ 75 states concentrations and flows; a mean of wet gas is more.

    Of a concentration water takes a part of the volume away, of a flow it is a part.
    """
    if wet is None or item is None or item.basis is Basis.DRY:
        return wet
    if item.basis is None or moisture is None:
        why = "its basis is not stated" if item.basis is None else "no moisture is recorded"
        left_out.append(f"{code}-Avg: measured {item.basis or ''} and {why}".replace("  ", " "))
        return None
    share = 1 - moisture / 100
    if share <= 0:
        return None
    return wet * share if code == FLOW else wet / share


def _co2_mg_nm3(item: MeasuredInput | None) -> Decimal | None:
    average = _usable(item)
    if item is None or average is None:
        return None
    if item.unit == "%":
        per_percent = gas.mass_concentration_g_nm3(0.01) * 1000
        return average * Decimal(str(per_percent))
    return average * Decimal(str(conversion(item.unit, "mg/Nm3").scale))


def _nm3_h(item: MeasuredInput) -> Decimal | None:
    average = _usable(item)
    if average is None:
        return None
    return average * Decimal(str(conversion(item.unit, "Nm3/h").scale))


def _mean(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) / len(known) if known else None


def _of_letters(letters: Sequence[str], absent: int) -> str:
    counts = Counter(letters)
    counts[NO_CONTACT] += absent
    others = {letter: n for letter, n in counts.items() if n and letter not in (NORMAL, STOPPED)}
    if others:
        return max(others, key=lambda letter: (others[letter], letter))
    return NORMAL if counts[NORMAL] else STOPPED
