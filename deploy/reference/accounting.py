"""The pages of units and of stack equations."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from deploy.reference.markdown import code, page, table
from services.core.accounting.fuel_equations import FUEL_EQUATIONS
from services.core.accounting.stack.diluents import DILUENTS
from services.core.accounting.stack.equations import EQUATIONS
from services.core.accounting.stack.fuels import F_FACTORS
from services.core.accounting.stack.inputs import Input
from services.core.accounting.unit_table import Unit, named_units


def page_of_units() -> str:
    """Return the page: by quantity each unit, its spellings, its size and where that is from."""
    spellings: dict[Unit, list[str]] = {}
    for name, unit in named_units():
        spellings.setdefault(unit, []).append(name)
    by_quantity: dict[str, list[Unit]] = {}
    for unit in spellings:
        by_quantity.setdefault(unit.quantity, []).append(unit)
    parts = []
    for quantity, units in sorted(by_quantity.items()):
        rows = [
            (
                code(unit.symbol),
                " ".join(code(name) for name in spellings[unit] if name != unit.symbol),
                _number(unit.scale) + (f" + {_number(unit.offset)}" if unit.offset else ""),
                "at reference conditions" if unit.state == "reference" else "",
                unit.source,
            )
            for unit in units
        ]
        header = ("unit", "also written", "in SI units", "gas volume", "source")
        parts.append(f"## {quantity}\n\n{table(header, rows)}")
    return page(
        "Units and quantities",
        "A channel names its `quantity` and a `unit` of it; a message may send any other unit of"
        " the same quantity. Upper and lower case differ (`MW` is not `mW`). A gas volume is as it"
        " flowed, or at reference conditions (101.325 kPa and the temperature of its unit); between"
        " the two tonne converts only with a measured temperature and pressure.",
        *parts,
    )


def page_of_equations() -> str:
    """Return the page: each equation with its inputs and source, diluents, F-factors, fuels."""
    equations = [
        (
            code(each.id),
            _inputs(each.inputs),
            each.unit,
            "not rounded" if each.hourly_places is None else each.hourly_places,
            each.period_places,
            each.citation,
        )
        for each in EQUATIONS.values()
    ]
    diluents = [
        (code(each.id), _inputs(each.inputs), each.gives, each.citation)
        for each in DILUENTS.values()
    ]
    fuels = [(code(name), f.fd_dscf_mmbtu, f.fc_scf_mmbtu) for name, f in F_FACTORS.items()]
    analyses = [
        (
            code(each.id),
            ", ".join(f"`{m.name}` ({m.unit})" for m in each.measured),
            each.unit or "the fuel's in table C-1",
            each.other_gases,
            each.citation,
        )
        for each in FUEL_EQUATIONS.values()
    ]
    header = ("equation", "inputs", "rate in", "decimals an hour", "decimals a period", "source")
    return page(
        "Equations of stacks and fuels",
        "A source with `method: stack` names one of these. An input's channel must measure the"
        " quantity on the basis given here; its unit is converted.",
        f"## Stack equations\n\n{table(header, equations)}",
        "## CO2 from oxygen\n\n" + table(("diluent", "inputs", "gives CO2", "source"), diluents),
        "## F-factors by fuel\n\n40 CFR 75 appendix F, table 1.\n\n"
        + table(("fuel", "Fd, dscf/mmBtu", "Fc, scf CO2/mmBtu"), fuels),
        "## Analyses of fuels\n\nThe `analysis` of a factor in a facility file names one of these;"
        " that of a source those that can be measured by channels (C-2a, C-3, C-4, C-5). A scf is"
        " at 68 degF. Equation C-1, without an analysis, is a [built-in factor](factors.md) of"
        " table C-1.\n\n"
        + table(("equation", "measured", "per", "CH4 and N2O by", "source"), analyses),
    )


def _inputs(inputs: Iterable[Input]) -> str:
    return ", ".join(
        f"`{each.name}` ({each.unit}{f', {each.basis}' if each.basis else ''})" for each in inputs
    )


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"
