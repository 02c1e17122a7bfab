from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from services.core.accounting.activity import UK_VOLUME_CORRECTION, co2_per_unit
from services.core.accounting.builtin_factors import versions_of
from services.core.accounting.factors import ConfigurationError, Factor, version_in_force
from services.core.accounting.gwp import AR5
from services.core.accounting.units import UnitError

PER_KWH = Factor(id="per-kwh", unit="kWh", co2_kg=1.0, basis="gross", citation="a kWh counter")


def _builtin(name: str) -> Factor:
    rows = versions_of(name)
    return version_in_force(rows, date(2026, 6, 1), datetime(2026, 11, 1, tzinfo=UTC))


@pytest.mark.vector
@pytest.mark.parametrize(
    ("amount", "channel_unit", "calorific_value", "kwh", "places"),
    [
        (100.0, "m3", 39.3, "1116.382", 3),
        (283.0, "m3", 39.3, "3159.361", 3),
        (120.0, "m3", 40.0, "1363.52", 2),
    ],
)
def test_a_british_gas_bill(
    amount: float, channel_unit: str, calorific_value: float, kwh: str, places: int
) -> None:
    got = co2_per_unit(
        PER_KWH,
        channel_unit,
        calorific_value=calorific_value,
        volume_correction=UK_VOLUME_CORRECTION,
    )
    assert round(Decimal(got.co2_kg * amount), places) == Decimal(kwh)


@pytest.mark.vector
def test_gas_in_cubic_metres_by_its_calorific_value() -> None:
    got = co2_per_unit(_builtin("natural-gas"), "m3", calorific_value=39.3)
    exact = Decimal("39.3") / Decimal("1055.056") * Decimal("53.06")
    assert got.co2_kg == pytest.approx(float(exact), rel=1e-15)
    assert got.factor.citation


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "channel_unit", "co2_kg"),
    [
        ("natural-gas", "kWh", "0.181048"),
        ("natural-gas", "scf", "0.0544396"),
        ("natural-gas-ipcc", "t", "2692.8"),
        ("natural-gas-ipcc", "kWh", "0.20196"),
        ("coal-bituminous", "short ton", "2325.4704"),
        ("diesel", "gal", "10.20648"),
        ("lpg", "gal", "5.67732"),
        ("grid-gb", "MWh", "129.43"),
    ],
)
def test_one_unit(name: str, channel_unit: str, co2_kg: str) -> None:
    expected = Decimal(co2_kg)
    got = co2_per_unit(_builtin(name), channel_unit).co2_kg
    assert round(Decimal(got), -int(expected.as_tuple().exponent)) == expected


@pytest.mark.vector
def test_a_cubic_metre_of_gas_at_the_ghg_protocols_density() -> None:
    per_kg = co2_per_unit(_builtin("natural-gas-ipcc"), "kg").co2_kg
    assert 0.7 * per_kg == pytest.approx(1.88496, rel=1e-14)


def test_a_litre_is_a_part_of_a_gallon() -> None:
    diesel = _builtin("diesel")
    litre, gallon = co2_per_unit(diesel, "L").co2_kg, co2_per_unit(diesel, "gal").co2_kg
    assert litre * 3.785411784 == pytest.approx(gallon, rel=1e-14)


def test_co2e_follows_the_gwp_set() -> None:
    got = co2_per_unit(_builtin("natural-gas-ipcc"), "TJ", gwp=AR5)
    assert got.co2e_kg == pytest.approx(56_154.5)
    assert got.co2_kg == 56_100.0


def test_a_calorific_value_holds_at_the_channels_own_conditions() -> None:
    for channel_unit, cubic_metres in (
        ("m3", 1.0), ("Nm3", 1.0), ("Sm3", 1.0), ("L", 0.001), ("scf", 0.028316846592),
        ("kscf", 28.316846592),
    ):  # fmt: skip
        got = co2_per_unit(PER_KWH, channel_unit, calorific_value=36.0)
        assert got.co2_kg == pytest.approx(10 * cubic_metres, rel=1e-14)


def test_a_heat_content_at_reference_conditions_follows_the_temperature() -> None:
    gas = _builtin("natural-gas")
    normal, standard = co2_per_unit(gas, "Nm3").co2_kg, co2_per_unit(gas, "Sm3").co2_kg
    assert standard / normal == pytest.approx(273.15 / 288.15, rel=1e-14)


@pytest.mark.parametrize(
    ("factor", "channel_unit", "options", "reason"),
    [
        (PER_KWH, "m3", {}, "give the source its calorific_value"),
        (_builtin("natural-gas-ipcc"), "m3", {"calorific_value": 39.3}, "net calorific value"),
        (_builtin("grid-gb"), "m3", {"calorific_value": 39.3}, "gross or net"),
        (_builtin("natural-gas"), "t", {}, "give the source the density of its fuel"),
        (_builtin("lpg"), "kg", {}, "is by mmBtu, with its heat content per gal, the channel"),
        (_builtin("coal-bituminous"), "m3", {}, "density of its fuel in kg/m3, or its calorific"),
        (_builtin("coal-bituminous"), "t", {"calorific_value": 39.3}, "no volume"),
        (PER_KWH, "kW", {}, "power cannot become energy"),
        (PER_KWH, "MWh", {"calorific_value": 39.3}, "would not be used"),
        (PER_KWH, "MWh", {"volume_correction": 1.02264}, "belongs to a calorific_value"),
        (_builtin("natural-gas"), "Nm3", {"volume_correction": 1.02}, "belongs to a calorific"),
        (PER_KWH, "m3", {"calorific_value": 0.0}, "above zero"),
        (PER_KWH, "m3", {"calorific_value": 39.3, "volume_correction": 0.0}, "above zero"),
        (PER_KWH, "Nm3", {"calorific_value": 39.3, "volume_correction": 1.02}, "no volume_corr"),
        (
            Factor(id="n", unit="Nm3", co2_kg=2.0, citation="lab"),
            "m3",
            {},
            "temperature and pressure",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_reason(
    factor: Factor, channel_unit: str, options: dict[str, float], reason: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        co2_per_unit(factor, channel_unit, **options)  # type: ignore[arg-type]
    assert reason in str(caught.value)


def test_an_unknown_unit_is_a_unit_error() -> None:
    with pytest.raises(UnitError, match="furlong"):
        co2_per_unit(PER_KWH, "furlong")


def test_what_is_published_as_co2e_only_counts_whole_as_co2() -> None:
    grid = Factor(id="e", unit="kWh", co2_kg=None, co2e_kg=0.2, citation="CO2e only")
    got = co2_per_unit(grid, "MWh")
    assert (got.co2_kg, got.co2e_kg) == (200.0, 200.0)


@pytest.mark.vector
def test_gas_by_the_cubic_metre_counts_by_its_density() -> None:
    """GHG Protocol V2.0: 0.7 kg/m3 give 1.88496 kg CO2 per m3."""
    got = co2_per_unit(_builtin("natural-gas-ipcc"), "m3", density_kg_m3=0.7)
    assert got.co2_kg == pytest.approx(1.88496, rel=1e-14)
    assert got.notes == ("0.7 kg/m3 leads from m3 to kg of natural-gas-ipcc",)


def test_gas_as_it_flows_counts_by_the_publishers_default_and_says_so() -> None:
    got = co2_per_unit(_builtin("natural-gas"), "m3")
    cubic_feet = 1 / 0.3048**3
    assert got.co2_kg == pytest.approx(cubic_feet * 0.001026 * 53.06, rel=1e-12)
    (note,) = got.notes
    assert "38.23 MJ/m3, the default of 40 CFR 98" in note
    assert "the supplier's calorific_value" in note
    assert co2_per_unit(_builtin("natural-gas"), "m3", calorific_value=39.3).notes == ()


def test_lpg_by_the_kilogram_needs_its_density() -> None:
    lpg = _builtin("lpg")
    with pytest.raises(ConfigurationError, match="density of its fuel in kg/m3"):
        co2_per_unit(lpg, "kg")
    per_kg = co2_per_unit(lpg, "kg", density_kg_m3=540).co2_kg
    assert per_kg == pytest.approx(1000 / 540 * co2_per_unit(lpg, "L").co2_kg, rel=1e-12)
    assert per_kg == pytest.approx(2.7774, abs=1e-4)


def test_a_factor_by_volume_takes_a_channel_of_mass_and_back() -> None:
    diesel = Factor(id="d", unit="L", co2_kg=2.5, citation="a", density_kg_m3=840.0)
    assert co2_per_unit(diesel, "t").co2_kg == pytest.approx(2.5 * 1000 / 0.84, rel=1e-12)
    pellets = Factor(id="p", unit="t", co2_kg=1000.0, citation="b")
    assert co2_per_unit(pellets, "m3", density_kg_m3=650).co2_kg == pytest.approx(650.0)
    with pytest.raises(ConfigurationError, match="above zero"):
        co2_per_unit(pellets, "m3", density_kg_m3=0.0)


def test_a_liquid_is_no_gas() -> None:
    lpg = versions_of("lpg")[-1]
    with pytest.raises(ConfigurationError, match="heat content of a liquid"):
        co2_per_unit(lpg, "Nm3")
    (note,) = co2_per_unit(lpg, "m3").notes
    assert note.startswith("lpg in m3 counts as a liquid, 25,642 MJ/m3")
    assert co2_per_unit(lpg, "L").notes == ()


def test_energy_by_a_factor_on_net_calorific_value_says_so() -> None:
    (note,) = co2_per_unit(versions_of("natural-gas-ipcc")[-1], "kWh").notes
    assert note.startswith("natural-gas-ipcc is on net calorific value")
    assert co2_per_unit(versions_of("natural-gas")[-1], "kWh").notes == ()
