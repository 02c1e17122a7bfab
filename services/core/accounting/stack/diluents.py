"""CO2 from measured oxygen: equations F-14A (dry) and F-14B (wet) of 40 CFR 75 App. F.

And the diluent cap, which stands in for oxygen or CO2 in hours in which the gas is nearly air.
"""

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


CAPPED = "14"
"""Method code of the diluent cap value (40 CFR 75.57, Table 4a)."""


@dataclass(frozen=True, kw_only=True)
class DiluentCap:
    """What stands in for an hourly average that lies beyond it, in %."""

    greatest_o2: Decimal
    least_co2: Decimal

    def replaces(self, gas: str, average: Decimal | None) -> Decimal | None:
        """Return the cap value that an average of "o2" or "co2" gives way to; None: it does not."""
        if average is None:
            return None
        if gas == O2_DRY.name:
            return self.greatest_o2 if average > self.greatest_o2 else None
        return self.least_co2 if average < self.least_co2 else None


DILUENT_CAPS: Mapping[str, DiluentCap] = MappingProxyType(
    {
        "boiler": DiluentCap(greatest_o2=Decimal("14.0"), least_co2=Decimal("5.0")),
        "turbine": DiluentCap(greatest_o2=Decimal("19.0"), least_co2=Decimal("1.0")),
    }
)
"""Diluent caps by what burns the fuel (40 CFR 75.57, Table 4a, code 14; App. F 3.3.4.1)."""

CAPPED_EQUATIONS = frozenset({"F-2", "F-11"})
"""Equations whose CO2 EPA's checking code takes the cap for (its checks HOURDHV29, HOURCV18)."""
