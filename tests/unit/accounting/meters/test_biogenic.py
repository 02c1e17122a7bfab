"""CO2 from biomass is a mass of its own: never in CO2, while its other gases are in CO2e."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from services.core.accounting.activity import co2_per_unit
from services.core.accounting.factor_spans import FactorSpan
from services.core.accounting.factors import Factor, HeatContent
from services.core.accounting.methods import ActivityMethod
from services.core.accounting.series import MinuteSeries
from services.core.accounting.units import conversion, convert
from services.core.facility import factor_file

#: Wood and wood residuals, 40 CFR 98 tables C-1 and C-2, as in EPA's Emission Factors Hub 2025.
WOOD = Factor(
    id="wood",
    unit="mmBtu",
    co2_kg=0.0,
    co2_biogenic_kg=93.80,
    ch4_kg=7.2e-3,
    n2o_kg=3.6e-3,
    basis="gross",
    citation="40 CFR 98 tables C-1 and C-2",
    heat_content=HeatContent(
        mj=convert(17.48, "mmBtu", "MJ"), unit="short ton", citation="40 CFR 98 table C-1"
    ),
)


@pytest.mark.vector
def test_wood() -> None:
    got = co2_per_unit(WOOD, "mmBtu")
    assert got.co2_kg == 0
    assert got.co2_biogenic_kg == 93.80
    assert got.co2e_kg == pytest.approx(1.1772, rel=1e-12)


@pytest.mark.vector
def test_wood_by_the_short_ton() -> None:
    got = co2_per_unit(WOOD, "short ton")
    assert got.co2_kg == 0
    assert got.co2_biogenic_kg == pytest.approx(17.48 * 93.80, rel=1e-12)
    assert got.co2e_kg == pytest.approx(17.48 * 1.1772, rel=1e-12)


def test_minutes_of_a_blend_have_both() -> None:
    # diesel with 7 % biodiesel by volume, from January on; before, pure diesel
    method = ActivityMethod(
        to_activity=conversion("L", "L"),
        activity_unit="L",
        factor_spans=(
            FactorSpan(from_minute=0, to_minute=100, co2_kg=2.6, co2e_kg=2.64, factor_id=1),
            FactorSpan(
                from_minute=100,
                to_minute=None,
                co2_kg=2.42,
                co2e_kg=2.46,
                co2_biogenic_kg=0.17,
                factor_id=2,
            ),
        ),
    )
    minutes = np.arange(98, 102, dtype=np.int64)
    series = MinuteSeries(
        first_minute=98,
        value=np.full(4, 10.0),
        covered_us=np.full(4, 60_000_000),
        estimated_us=np.zeros(4, dtype=np.int64),
        is_rate=False,
    )
    masses = method.masses({"input": series}, minutes)
    assert masses.co2_kg.tolist() == pytest.approx([26.0, 26.0, 24.2, 24.2])
    assert masses.co2_biogenic_kg.tolist() == pytest.approx([0.0, 0.0, 1.7, 1.7])


def test_a_csv_of_factors_may_say_it() -> None:
    text = (
        "id,unit,co2_kg,co2_biogenic_kg,ch4_kg,n2o_kg,citation\n"
        "wood,mmBtu,0,93.80,0.0072,0.0036,40 CFR 98\n"
        "oil,mmBtu,73.96,,,,40 CFR 98\n"
    )
    wood, oil = factor_file.read(text, datetime(2026, 11, 28, tzinfo=UTC))
    assert (wood.co2_biogenic_kg, oil.co2_biogenic_kg) == (93.80, 0.0)
