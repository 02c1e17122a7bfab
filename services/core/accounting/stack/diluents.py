"""CO2 from measured oxygen: equations F-14A (dry) and F-14B (wet) of 40 CFR 75 App. F."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any

import numpy as np

from services.core.accounting.stack.fuels import FFactors
from services.core.accounting.stack.inputs import Basis, Input
from services.core.accounting.stack.numeric import Numeric
from services.core.accounting.stack.rounding import ARITHMETIC, half_away

O2_DRY = Input(
    name="o2",
    meaning="the O2 concentration",
    quantity="fraction",
    unit="%",
    basis=Basis.DRY,
    recorded_places=1,
)
O2_WET = Input(
    name="o2",
    meaning="the O2 concentration",
    quantity="fraction",
    unit="%",
    basis=Basis.WET,
    recorded_places=1,
)
MOISTURE = Input(
    name="h2o",
    meaning="the stack moisture",
    quantity="fraction",
    unit="%",
    recorded_places=1,
)


@dataclass(frozen=True, kw_only=True)
class Diluent:
    """One way to get CO2 in % from O2 in % and the F-factors of the fuel."""

    id: str
    citation: str
    inputs: tuple[Input, ...]
    gives: Basis
    """The basis of the CO2 it gives."""
    formula: Callable[[Mapping[str, Any], FFactors, Callable[[str], Any]], Any]

    def co2_percent(self, inputs: Mapping[str, Numeric], factors: FFactors) -> Numeric:
        """Return CO2 in %, unrounded; NaN where an input is missing, 0 where it comes out below."""
        terms = {item.name: inputs.get(item.name, np.nan) for item in self.inputs}
        co2: Numeric = np.maximum(self.formula(terms, factors, float), 0.0)
        return co2

    def reporting(self, inputs: Mapping[str, Decimal | None], factors: FFactors) -> Decimal | None:
        """Return CO2 in % at 1 decimal, halves away from zero; below zero is 0, None is missing."""
        terms = {item.name: inputs.get(item.name) for item in self.inputs}
        if any(value is None or value.is_nan() for value in terms.values()):
            return None
        with localcontext(ARITHMETIC):
            co2 = Decimal(self.formula(terms, factors, Decimal))
        return max(half_away(co2, 1), Decimal("0.0"))


def _f_14a(x: Mapping[str, Any], f: FFactors, n: Callable[[str], Any]) -> Any:
    return (n("20.9") - x["o2"]) * 100 * f.fc_scf_mmbtu / (n("20.9") * f.fd_dscf_mmbtu)


def _f_14b(x: Mapping[str, Any], f: FFactors, n: Callable[[str], Any]) -> Any:
    dry_air_o2 = n("20.9") * (100 - x["h2o"]) / 100
    return (dry_air_o2 - x["o2"]) * 100 * f.fc_scf_mmbtu / (n("20.9") * f.fd_dscf_mmbtu)


DILUENTS: Mapping[str, Diluent] = MappingProxyType(
    {
        diluent.id: diluent
        for diluent in (
            Diluent(
                id="F-14A",
                citation="40 CFR 75 App. F, eq. F-14a",
                inputs=(O2_DRY,),
                gives=Basis.DRY,
                formula=_f_14a,
            ),
            Diluent(
                id="F-14B",
                citation="40 CFR 75 App. F, eq. F-14b",
                inputs=(O2_WET, MOISTURE),
                gives=Basis.WET,
                formula=_f_14b,
            ),
        )
    }
)
"""Diluent equations by the name a facility file gives them."""
