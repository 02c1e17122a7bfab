"""Stack equations: concentration, flow and moisture to a CO2 mass rate.

Every equation has two faces. `rate_kg_h` is the live one: floats or numpy arrays, unrounded, a
missing (NaN) input makes the result missing. `reporting` is the rule's own: decimal, in the
rule's unit, rounded as the rule rounds, a negative rate replaced by zero with its code.

`equation_for` gives the equation of a facility file's source, its diluent and fuel worked in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any

import numpy as np

from services.core.accounting.stack.diluents import DILUENTS, MOISTURE, Diluent
from services.core.accounting.stack.fuels import FFactors, f_factors
from services.core.accounting.stack.inputs import Basis, ChannelKind, Input, mismatches
from services.core.accounting.stack.numeric import Numeric
from services.core.accounting.stack.rounding import ARITHMETIC, half_away

SHORT_TON_KG = Decimal("907.18474")
"""Kilograms in a short ton, exact: 2000 lb of 0.45359237 kg (NIST SP 811, App. B)."""

TONNE_KG = Decimal(1000)

NEGATIVE_REPLACED = "21"
"""Method of determination code 21: a negative value replaced by zero (40 CFR 75.57, Table 4a)."""


@dataclass(frozen=True, kw_only=True)
class ReportedRate:
    """An hourly rate as the rule reports it: None where an input was missing."""

    equation: str
    value: Decimal | None
    unit: str
    kg_per_unit: Decimal
    code: str | None = None
    """`NEGATIVE_REPLACED` where a negative rate became zero."""

    @property
    def kg_h(self) -> Decimal | None:
        """The reported rate in kg/h."""
        return None if self.value is None else self.value * self.kg_per_unit


@dataclass(frozen=True, kw_only=True)
class Equation:
    """One equation with its source, its inputs in the units it takes, and its rounding."""

    id: str
    citation: str
    inputs: tuple[Input, ...]
    unit: str  # of the rate, the rule's own
    kg_per_unit: Decimal
    hourly_places: int | None
    """Decimals of the hourly rate; None where the rule rounds no hour."""
    period_places: int
    """Decimals of a quarter's or year's total in tons or tonnes."""
    year_of_quarters: bool
    """A year is the sum of its quarters as reported, not rounded anew."""
    formula: Callable[[Mapping[str, Any], Callable[[str], Any]], Any]
    needs_fuel: bool = False
    factors: FFactors | None = None
    diluent: Diluent | None = None
    same_basis: bool = False
    """Concentration and flow may be wet or dry, but both the same."""

    @property
    def terms(self) -> tuple[str, ...]:
        """The names that the formula itself takes: with a diluent its co2, not its o2."""
        return tuple(item.name for item in EQUATIONS[self.id.partition("/")[0]].inputs)

    def rate_kg_h(self, inputs: Mapping[str, Numeric]) -> Numeric:
        """Return the CO2 rate in kg/h, unrounded; `inputs` by name in the units of `self.inputs`.

        Scalars and arrays broadcast. A NaN or absent input gives NaN: a missing input makes the
        result missing, never zero. A slightly negative measurement gives a slightly negative
        rate, so that an analyser's noise around zero averages out. With a diluent, a `co2` among
        the inputs (a substitute, in %) is taken instead of what the oxygen gives.
        """
        terms: dict[str, Any] = {item.name: inputs.get(item.name, np.nan) for item in self.inputs}
        if self.diluent is not None:
            terms["co2"] = inputs.get("co2", self.diluent.co2_percent(terms, self._f_factors()))
        if self.needs_fuel:
            terms["fc"] = self._f_factors().fc_scf_mmbtu
        rate: Numeric = self.formula(terms, float) * float(self.kg_per_unit)
        return rate

    def co2_from_diluent(self, inputs: Mapping[str, Decimal | None]) -> Decimal | None:
        """CO2 in % as the rule reports it from the hour's O2; None where an input is missing.

        ValueError for an equation without a diluent.
        """
        if self.diluent is None:
            raise ValueError(f"{self.id} measures its CO2: it has no diluent")
        return self.diluent.reporting(inputs, self._f_factors())

    def reporting(self, inputs: Mapping[str, Decimal | None]) -> ReportedRate:
        """Return the rate as the rule reports it, from the hour's averages as recorded.

        None or NaN for any input gives a rate without a value. Rounding is in decimal, halves
        away from zero, at `hourly_places`; a negative rate becomes 0 with its code. With a
        diluent, a `co2` among the inputs (a substitute, in %) is taken instead of the oxygen's.
        """
        terms: dict[str, Any] = {item.name: inputs.get(item.name) for item in self.inputs}
        if self.diluent is not None:
            co2 = inputs.get("co2")
            if co2 is None:
                # The rule reports the CO2 it got from O2 at 1 decimal and goes on from there.
                co2 = self.diluent.reporting(terms, self._f_factors())
            # what only the diluent takes is not asked for where its CO2 was substituted
            terms = {name: co2 if name == "co2" else terms[name] for name in self.terms}
        if any(value is None or value.is_nan() for value in terms.values()):
            return self._reported(None)
        if self.needs_fuel:
            terms["fc"] = self._f_factors().fc_scf_mmbtu
        with localcontext(ARITHMETIC):
            rate = Decimal(self.formula(terms, Decimal))
        if self.hourly_places is not None:
            rate = half_away(rate, self.hourly_places)
        if rate < 0:
            return self._reported(abs(rate * 0), NEGATIVE_REPLACED)
        return self._reported(rate)

    def check(self, inputs: Mapping[str, ChannelKind]) -> list[str]:
        """Return every reason why it cannot be computed from `inputs`; empty if it can."""
        reasons = mismatches(self.id, self.inputs, inputs)
        if self.same_basis:
            stated = {kind.basis for kind in inputs.values() if kind.basis is not None}
            if len(stated) > 1:
                reasons.append(
                    f"{self.id} takes concentration and flow on the same basis; "
                    "one channel is wet, the other dry"
                )
        return reasons

    def _f_factors(self) -> FFactors:
        if self.factors is None:
            raise ValueError(f"{self.id} needs a fuel: get it from equation_for(..., fuel=...)")
        return self.factors

    def _reported(self, value: Decimal | None, code: str | None = None) -> ReportedRate:
        return ReportedRate(
            equation=self.id, value=value, unit=self.unit, kg_per_unit=self.kg_per_unit, code=code
        )


CO2_WET = Input(
    name="co2",
    meaning="the CO2 concentration",
    quantity="fraction",
    unit="%",
    basis=Basis.WET,
    recorded_places=1,
)
CO2_DRY = replace(CO2_WET, basis=Basis.DRY)
FLOW_WET = Input(
    name="flow",
    meaning="the stack gas flow",
    quantity="volume_flow",
    unit="scf/h",
    basis=Basis.WET,
    recorded_places=-3,
)


def _f_11(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return n("5.7e-7") * x["co2"] * x["flow"]


def _f_2(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return n("5.7e-7") * x["co2"] * x["flow"] * (100 - x["h2o"]) / 100


def _g_4(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return x["heat_input"] * x["fc"] * n("44.0") / (n("385") * 2000)


def _c_6(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return n("5.18e-7") * x["co2"] * x["flow"]


def _c_7(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return n("5.18e-7") * x["co2"] * x["flow"] * (100 - x["h2o"]) / 100


def _mass_flow(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return x["mass_flow"] / n("1000")


def _concentration_flow(x: Mapping[str, Any], n: Callable[[str], Any]) -> Any:
    return x["co2"] * x["flow"] / n("1000000")


_PART_75: Mapping[str, Any] = {
    "unit": "short ton/h",
    "kg_per_unit": SHORT_TON_KG,
    "hourly_places": 1,
    "period_places": 1,
    "year_of_quarters": True,
}
_PART_98: Mapping[str, Any] = {
    "unit": "t/h",
    "kg_per_unit": TONNE_KG,
    "hourly_places": None,
    "period_places": 1,
    "year_of_quarters": False,
}
_EU_MRR: Mapping[str, Any] = {**_PART_98, "period_places": 0}

EQUATIONS: Mapping[str, Equation] = MappingProxyType(
    {
        equation.id: equation
        for equation in (
            Equation(
                id="F-11",
                citation="40 CFR 75 App. F, eq. F-11",
                inputs=(CO2_WET, FLOW_WET),
                formula=_f_11,
                **_PART_75,
            ),
            Equation(
                id="F-2",
                citation="40 CFR 75 App. F, eq. F-2 with the K of eq. F-11",
                inputs=(CO2_DRY, FLOW_WET, MOISTURE),
                formula=_f_2,
                **_PART_75,
            ),
            Equation(
                id="G-4",
                citation="40 CFR 75 App. G, eq. G-4",
                inputs=(
                    Input(
                        name="heat_input",
                        meaning="the heat input rate",
                        quantity="power",
                        unit="mmBtu/h",
                        recorded_places=1,
                    ),
                ),
                formula=_g_4,
                needs_fuel=True,
                **_PART_75,
            ),
            Equation(
                id="C-6",
                citation="40 CFR 98.33(a)(4)(ii), eq. C-6",
                inputs=(CO2_WET, FLOW_WET),
                formula=_c_6,
                **_PART_98,
            ),
            Equation(
                id="C-7",
                citation="40 CFR 98.33(a)(4)(iii), eq. C-7",
                inputs=(CO2_DRY, FLOW_WET, MOISTURE),
                formula=_c_7,
                **_PART_98,
            ),
            Equation(
                id="mass-flow",
                citation="a mass flow measured directly, no equation",
                inputs=(
                    Input(
                        name="mass_flow",
                        meaning="the CO2 mass flow",
                        quantity="mass_flow",
                        unit="kg/h",
                    ),
                ),
                formula=_mass_flow,
                **_EU_MRR,
            ),
            Equation(
                id="concentration-flow",
                citation="Regulation (EU) 2018/2066 Annex VIII, eq. 1",
                inputs=(
                    Input(
                        name="co2",
                        meaning="the CO2 concentration",
                        quantity="concentration",
                        unit="g/Nm3",
                    ),
                    Input(
                        name="flow",
                        meaning="the flue gas flow",
                        quantity="volume_flow",
                        unit="Nm3/h",
                    ),
                ),
                formula=_concentration_flow,
                same_basis=True,
                **_EU_MRR,
            ),
        )
    }
)
"""Equations by the name a facility file gives them."""


def equation_for(
    equation_id: str, *, diluent: str | None = None, fuel: str | None = None
) -> Equation:
    """Return the equation of a source, with CO2 got from O2 by `diluent` and the fuel's factors.

    Raises ValueError, one sentence that says what to change, for an unknown equation, diluent or
    fuel, for a diluent whose CO2 has the wrong basis, and for a missing fuel. An equation without
    F-factors ignores `fuel`.
    """
    if equation_id not in EQUATIONS:
        hint = f" (name it as `diluent: {equation_id}`)" if equation_id in DILUENTS else ""
        raise ValueError(
            f"no equation '{equation_id}'{hint}; name one of {', '.join(sorted(EQUATIONS))}"
        )
    equation = EQUATIONS[equation_id]
    if diluent is not None:
        equation = _with_diluent(equation, diluent)
    if equation.needs_fuel or equation.diluent is not None:
        if fuel is None:
            raise ValueError(f"{equation.id} needs a fuel, whose F-factors it uses: add `fuel`")
        return replace(equation, factors=f_factors(fuel))
    return equation


def _with_diluent(equation: Equation, diluent_id: str) -> Equation:
    if diluent_id not in DILUENTS:
        raise ValueError(f"no diluent '{diluent_id}'; name one of {', '.join(sorted(DILUENTS))}")
    diluent = DILUENTS[diluent_id]
    bases = [item.basis for item in equation.inputs if item.name == "co2"]
    if bases not in ([Basis.WET], [Basis.DRY]):
        raise ValueError(f"{equation.id} takes no CO2 concentration in %: remove `diluent`")
    if bases != [diluent.gives]:
        raise ValueError(
            f"{diluent_id} gives {diluent.gives} CO2 and {equation.id} takes it {bases[0]}: "
            "choose the other diluent or the other equation"
        )
    others = tuple(item for item in equation.inputs if item.name != "co2")
    names = {item.name for item in others}
    return replace(
        equation,
        id=f"{equation.id}/{diluent_id}",
        citation=f"{equation.citation}; {diluent.citation}",
        inputs=(*(item for item in diluent.inputs if item.name not in names), *others),
        diluent=diluent,
    )
