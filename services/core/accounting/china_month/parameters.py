"""The parameters that generators keep as evidence each month, out of what is known of a month.

Which they are: fuel consumed, its heat and carbon content, electricity bought, electricity and heat
made, hours of operation and load, each with what supports it, within 40 days of the month's end
(notice of a provincial authority on the monthly evidence of 2023-2025, by the MEE's guideline for
generating facilities). The guideline's own form was not at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.core.accounting.china_month.record import FacilityMonth, MonthSource
from services.core.accounting.units import UnitError, quantity_of

_ELECTRIC: Final = ("Wh", "kWh", "MWh", "GWh")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A row of the activity data; ``value`` None: not known, and ``remark`` says why."""

    chinese: str
    english: str
    source: MonthSource | None
    value: Decimal | None
    unit: str
    remark: str = ""


def parameters(month: FacilityMonth) -> Iterator[Parameter]:
    """Return the rows of a month; a parameter that the facility has not is there without value."""
    burnt = [s for s in month.sources if s.scope == 1 and s.method == "activity"]
    bought = [s for s in month.sources if s.scope == 2 and s.activity_unit in _ELECTRIC]
    made = [s for s in month.sources if s.scope == 0 and s.activity_unit in _ELECTRIC]
    heat = [s for s in month.sources if s.scope == 0 and s not in made and _is_energy(s)]
    stacks = [s for s in month.sources if s.operating_h is not None]
    yield from _amounts("燃料消耗量", "fuel consumed", burnt, "no source of scope 1 counts a fuel")
    yield _open(
        "低位发热量", "net calorific value", "GJ/t",
        "tonne keeps gross heat contents: see factors.csv; add the analysis",
    )  # fmt: skip
    yield _open("元素碳含量", "carbon content", "tC/t", "add the analysis of the month")
    yield from _amounts("购入使用电量", "electricity bought", bought, "no source of scope 2")
    yield from _amounts("发电量", "electricity made", made, "no product in kWh or MWh")
    yield from _amounts("供热量", "heat supplied", heat, "no product in GJ or MJ")
    for stack in stacks:
        yield Parameter(
            chinese="运行小时数", english="hours of operation", source=stack,
            value=stack.operating_h, unit="h", remark=_remark(stack),
        )  # fmt: skip
    if not stacks:
        yield _open(
            "运行小时数", "hours of operation", "h", "no hour of a stack under a rule was closed"
        )
    yield _open("负荷（出力）系数", "load factor", "%", "tonne knows no rated output")  # noqa: RUF001 - as it is written
    for source in month.sources:
        if source.scope:
            yield from _masses(source)


def _is_energy(source: MonthSource) -> bool:
    try:
        return quantity_of(source.activity_unit) == "energy"
    except UnitError:
        return False


def _amounts(
    chinese: str, english: str, sources: list[MonthSource], absent: str
) -> Iterator[Parameter]:
    for source in sources:
        yield Parameter(
            chinese=chinese, english=english, source=source, value=source.activity,
            unit=source.activity_unit, remark=_remark(source),
        )  # fmt: skip
    if not sources:
        yield _open(chinese, english, "", absent)


def _masses(source: MonthSource) -> Iterator[Parameter]:
    tonnes = None if source.co2_kg is None else source.co2_kg / 1000
    yield Parameter(
        chinese="二氧化碳排放量", english="CO2 emitted", source=source, value=tonnes, unit="t",
        remark=_remark(source),
    )  # fmt: skip
    if source.biogenic_kg:
        yield Parameter(
            chinese="生物源二氧化碳", english="CO2 from biomass", source=source,
            value=source.biogenic_kg / 1000, unit="t", remark="in no other sum",
        )  # fmt: skip


def _open(chinese: str, english: str, unit: str, why: str) -> Parameter:
    return Parameter(
        chinese=chinese, english=english, source=None, value=None, unit=unit, remark=why
    )


def _remark(source: MonthSource) -> str:
    remarks = []
    if source.checks:
        remarks.append(f"checks {source.checks}: do not add both")
    if source.hours_final < source.hours:
        remarks.append(f"{source.hours - source.hours_final} of {source.hours} hours are not final")
    if not source.hours:
        remarks.append("nothing is known of the month")
    return "; ".join(remarks)
