from __future__ import annotations

import pytest

from services.core.accounting.gwp import AR4, AR5, AR6, GWP_SETS, GwpSet, MethaneOrigin, co2e_kg


@pytest.mark.vector
@pytest.mark.parametrize(
    ("gwp", "ch4_fossil", "ch4_non_fossil", "n2o"),
    [(AR4, 25.0, 25.0, 298.0), (AR5, 30.0, 28.0, 265.0), (AR6, 29.8, 27.0, 273.0)],
)
def test_the_values_of_the_assessment_reports(
    gwp: GwpSet, ch4_fossil: float, ch4_non_fossil: float, n2o: float
) -> None:
    assert (gwp.ch4("fossil"), gwp.ch4("non-fossil"), gwp.n2o) == (ch4_fossil, ch4_non_fossil, n2o)
    assert GWP_SETS[gwp.name] is gwp


@pytest.mark.vector
@pytest.mark.parametrize(
    ("gwp", "origin", "expected"),
    [
        (AR5, "non-fossil", 56_154.5),
        (AR6, "fossil", 56_157.1),
        (AR6, "non-fossil", 56_154.3),
    ],
)
def test_a_terajoule_of_natural_gas(gwp: GwpSet, origin: MethaneOrigin, expected: float) -> None:
    assert co2e_kg(56_100, 1, 0.1, gwp=gwp, ch4_origin=origin) == pytest.approx(expected, rel=1e-15)


def test_combustion_methane_is_the_default() -> None:
    assert co2e_kg(0, 1) == 27.0
