"""The page of built-in factors."""

from __future__ import annotations

from deploy.reference.markdown import code, page, table
from services.core.accounting.builtin_factors import builtin_factors
from services.core.accounting.factors import Factor


def page_of_factors() -> str:
    """Return the page: each version of each factor, with the citation of its figure."""
    rows = [
        (
            code(factor.id),
            factor.unit,
            _figure(factor.co2_kg),
            _figure(factor.ch4_kg),
            _figure(factor.n2o_kg),
            _figure(factor.co2e_kg),
            _span(factor),
            factor.citation,
        )
        for versions in builtin_factors().values()
        for factor in versions
    ]
    header = ("factor", "unit", "kg CO2", "kg CH4", "kg N2O", "kg CO2e", "valid", "citation")
    return page(
        "Built-in factors",
        "Masses are per unit of activity. kg CO2e is given where the publisher states it; elsewhere"
        " it follows from the gases and the facility's set of global warming potentials. `tonne"
        " factors import` adds factors, and a facility file may state its own.",
        table(header, rows),
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _span(factor: Factor) -> str:
    if factor.valid_from is None and factor.valid_to is None:
        return "always"
    return f"{factor.valid_from or 'always'} to {factor.valid_to or 'now'}"
