from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.core.accounting.builtin_factors import builtin_factors, versions_of
from services.core.accounting.factors import Factor, overlaps, version_in_force
from services.core.accounting.units import unit

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ALL = [factor for versions in builtin_factors().values() for factor in versions]


def _factor(name: str, year: int = 2026, known_at: datetime = NOW) -> Factor:
    return version_in_force(versions_of(name), date(year, 6, 1), known_at)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "year", "co2_kg"),
    [
        ("grid-cn", 2022, 0.5366),
        ("grid-cn", 2023, 0.5306),
        ("grid-cn", 2026, 0.5306),
        ("grid-cn-residual", 2023, 0.6096),
        ("grid-cn-fossil", 2023, 0.8273),
        ("grid-cn-north", 2023, 0.6361),
        ("grid-cn-southwest", 2023, 0.2472),
        ("grid-gb", 2023, 0.20496),
        ("grid-gb", 2024, 0.20493),
        ("grid-gb", 2025, 0.17489),
        ("natural-gas", 2026, 53.06),
        ("diesel", 2026, 73.96),
        ("lpg", 2026, 61.71),
        ("coal-bituminous", 2026, 93.28),
        ("coal-anthracite", 2026, 103.69),
        ("natural-gas-ipcc", 2026, 56_100.0),
        ("diesel-ipcc", 2026, 74_100.0),
        ("coal-lignite-ipcc", 2026, 101_000.0),
        ("grid-tw", 2026, 0.495),
        ("grid-br", 2026, 0.03851),
    ],
)
def test_published_figure(name: str, year: int, co2_kg: float) -> None:
    assert _factor(name, year).co2_kg == co2_kg


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "year", "pounds"),
    [("grid-us", 2022, "823.149"), ("grid-us", 2023, "771.523"),
     ("grid-us-camx", 2022, "497.443"), ("grid-us-camx", 2023, "436.655"),
     ("grid-us-erct", 2023, "738.038"), ("grid-us-nyup", 2023, "240.99")],
)  # fmt: skip
def test_egrid_pounds_become_kilograms(name: str, year: int, pounds: str) -> None:
    exact = Decimal(pounds) * Decimal("0.45359237") / 1000
    assert _factor(name, year).co2_kg == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.vector
@pytest.mark.parametrize(("year", "co2e"), [(2024, 20_705.0), (2025, 17_700.0)])
def test_a_hundred_megawatt_hours_in_great_britain(year: int, co2e: float) -> None:
    assert _factor("grid-gb", year).total_co2e_kg() * 100_000 == pytest.approx(co2e, rel=1e-15)


@pytest.mark.vector
def test_the_correction_of_the_chinese_grid_is_kept_in_both_forms() -> None:
    before = _factor("grid-cn", 2022, datetime(2024, 12, 19, tzinfo=UTC)).co2_kg
    after = _factor("grid-cn", 2022, datetime(2024, 12, 20, tzinfo=UTC)).co2_kg
    assert before is not None
    assert after is not None
    kwh = Decimal(10_000_000)
    old_t, new_t = (Decimal(str(f)) * kwh / 1000 for f in (before, after))
    assert [old_t, new_t, new_t - old_t] == [Decimal(5703), Decimal(5366), Decimal(-337)]
    assert round(100 * (new_t - old_t) / old_t, 3) == Decimal("-5.909")


def test_a_year_without_a_figure_yet_takes_the_latest_known() -> None:
    assert _factor("grid-cn", 2023, datetime(2025, 6, 1, tzinfo=UTC)).co2_kg == 0.5366
    assert _factor("grid-cn", 2023, datetime(2026, 6, 1, tzinfo=UTC)).co2_kg == 0.5306
    assert _factor("grid-us", 2024, datetime(2024, 6, 1, tzinfo=UTC)).data_year == 2022
    assert _factor("grid-us", 2024, datetime(2026, 5, 1, tzinfo=UTC)).data_year == 2023
    assert _factor("grid-us", 2024).data_year == 2024


def test_no_two_versions_hold_at_once() -> None:
    assert [pair for versions in builtin_factors().values() for pair in overlaps(versions)] == []


def test_every_factor_is_complete() -> None:
    assert [f for f in ALL if not (f.citation and f.release and unit(f.unit))] == []
    assert [f for f in ALL if f.heat_content and f.basis not in {"gross", "net"}] == []


@pytest.mark.parametrize(
    "name",
    ["grid-cn", "grid-gb", "grid-us", "natural-gas", "diesel", "lpg", "coal-bituminous"],
)
def test_the_promised_ids_hold_today(name: str) -> None:
    assert _factor(name).id == name


def test_nothing_licensed_against_it_is_shipped() -> None:
    assert not any("IEA" in f.citation or "ecoinvent" in f.citation for f in ALL)
