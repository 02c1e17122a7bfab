"""Heat input rate from stack flow and a diluent gas: F-15 to F-18 of 40 CFR 75 App. F."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any

import numpy as np

from services.core.accounting.stack.diluents import MOISTURE, O2_DRY, O2_WET
from services.core.accounting.stack.equations import CO2_DRY, CO2_WET, FLOW_WET
from services.core.accounting.stack.fuels import FFactors
from services.core.accounting.stack.inputs import Input
from services.core.accounting.stack.numeric import Numeric
from services.core.accounting.stack.rounding import ARITHMETIC, half_away

LEAST_MMBTU_H = Decimal("1.0")
"""Reported in place of a smaller or negative rate (40 CFR 75.57, Table 4a, code 26)."""


@dataclass(frozen=True, kw_only=True)
class HeatInputEquation:
    """One equation for heat input, mmBtu/h (gross), from the flow in scf/h and a diluent in %."""

    id: str
    citation: str
    inputs: tuple[Input, ...]
    formula: Callable[[Mapping[str, Any], FFactors, Callable[[str], Any]], Any]

    def rate_mmbtu_h(self, inputs: Mapping[str, Numeric], factors: FFactors) -> Numeric:
        """Return heat input in mmBtu/h, unrounded; NaN where an input is missing."""
        terms = {item.name: inputs.get(item.name, np.nan) for item in self.inputs}
        rate: Numeric = self.formula(terms, factors, float)
        return rate

    def reporting(self, inputs: Mapping[str, Decimal | None], factors: FFactors) -> Decimal | None:
        """Return heat input in mmBtu/h at 1 decimal and at least 1.0; None for a missing input."""
        terms = {item.name: inputs.get(item.name) for item in self.inputs}
        if any(value is None or value.is_nan() for value in terms.values()):
            return None
        with localcontext(ARITHMETIC):
            rate = Decimal(self.formula(terms, factors, Decimal))
        return max(half_away(rate, 1), LEAST_MMBTU_H)


def _f_15(x: Mapping[str, Any], f: FFactors, _: Callable[[str], Any]) -> Any:
    return x["flow"] * x["co2"] / (100 * f.fc_scf_mmbtu)


def _f_16(x: Mapping[str, Any], f: FFactors, _: Callable[[str], Any]) -> Any:
    return x["flow"] * (100 - x["h2o"]) * x["co2"] / (10_000 * f.fc_scf_mmbtu)


def _f_17(x: Mapping[str, Any], f: FFactors, n: Callable[[str], Any]) -> Any:
    oxygen_gone = n("0.209") * (100 - x["h2o"]) - x["o2"]
    return x["flow"] * oxygen_gone / (n("20.9") * f.fd_dscf_mmbtu)


def _f_18(x: Mapping[str, Any], f: FFactors, n: Callable[[str], Any]) -> Any:
    return x["flow"] * (100 - x["h2o"]) * (n("20.9") - x["o2"]) / (2090 * f.fd_dscf_mmbtu)


def _equation(
    name: str,
    inputs: tuple[Input, ...],
    formula: Callable[[Mapping[str, Any], FFactors, Callable[[str], Any]], Any],
) -> HeatInputEquation:
    return HeatInputEquation(
        id=name, citation=f"40 CFR 75 App. F, eq. {name}", inputs=inputs, formula=formula
    )


HEAT_INPUTS: Mapping[str, HeatInputEquation] = MappingProxyType(
    {
        "F-15": _equation("F-15", (CO2_WET, FLOW_WET), _f_15),
        "F-16": _equation("F-16", (CO2_DRY, FLOW_WET, MOISTURE), _f_16),
        "F-17": _equation("F-17", (O2_WET, FLOW_WET, MOISTURE), _f_17),
        "F-18": _equation("F-18", (O2_DRY, FLOW_WET, MOISTURE), _f_18),
    }
)
"""Heat input equations by their number."""
