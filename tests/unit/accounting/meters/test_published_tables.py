"""Each table of built-in factors against figures, totals and sums that its source states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

from services.core.accounting.builtin_factors import builtin_factors, lines, versions_of
from services.core.accounting.factor_publications import DIRECTORY, publications
from services.core.accounting.factors import Factor, version_in_force
from services.core.accounting.gwp import AR4, AR5, AR6, GwpSet, potentials

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LB_MWH = 0.45359237 / 1000


def factor(name: str, year: int = 2026, known: datetime = NOW) -> Factor:
    return version_in_force(versions_of(name), date(year, 12, 1), known)


def test_there_are_more_than_a_thousand_factor_versions() -> None:
    assert len([f for versions in builtin_factors().values() for f in versions]) > 4000
    assert len(builtin_factors()) > 800


def test_every_table_is_of_a_publication_and_every_publication_has_one() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.csv")} - {"gwp"} == set(publications())


def test_no_publication_states_a_figure_twice() -> None:
    stated = [
        (line.publication.id, line.cell("id"), line.cell("year"))
        for each in lines().values()
        for line in each
    ]
    assert len(stated) == len(set(stated))


def test_the_names_of_a_factor_agree_in_all_its_publications() -> None:
    units = {
        name: {(line.cell("unit"), line.cell("basis")) for line in each}
        for name, each in lines().items()
    }
    assert {name: found for name, found in units.items() if len(found) > 1} == {}


@pytest.mark.vector
@pytest.mark.parametrize(
    ("year", "co2_kg", "co2e_kg"),
    [
        (2020, 0.23104, 0.23314), (2021, 0.21016, 0.21233), (2022, 0.19121, 0.19338),
        (2023, 0.20496, 0.20707), (2024, 0.20493, 0.20705), (2025, 0.17489, 0.17700),
        (2026, 0.12943, 0.13096),
    ],
)  # fmt: skip
def test_the_british_grid_of_each_year(year: int, co2_kg: float, co2e_kg: float) -> None:
    found = factor("grid-gb", year)
    assert (found.co2_kg, found.total_co2e_kg()) == (co2_kg, co2e_kg)


@pytest.mark.vector
def test_ten_gigawatt_hours_in_great_britain_in_2026() -> None:
    assert factor("grid-gb").total_co2e_kg() * 10_000_000 == pytest.approx(1_309_600, rel=1e-12)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "year", "co2e_kg"),
    [
        ("natural-gas-gb", 2025, 0.18296), ("natural-gas-gb", 2026, 0.18231),
        ("natural-gas-gb-kwh-net", 2025, 0.20270), ("natural-gas-gb-m3", 2024, 2.04542),
        ("diesel-gb", 2024, 2.51279), ("petrol-gb", 2024, 2.0844), ("diesel-gb", 2026, 2.58354),
        ("grid-gb-td", 2025, 0.01853), ("grid-gb-td", 2026, 0.01299),
        ("grid-gb-wtt", 2025, 0.0459), ("grid-gb-td-wtt", 2025, 0.00397),
        ("natural-gas-gb-wtt", 2026, 0.03021), ("grid-gb-wtt", 2026, 0.03682),
    ],
)  # fmt: skip
def test_british_fuels_with_losses_and_well_to_tank_apart(
    name: str, year: int, co2e_kg: float
) -> None:
    assert factor(name, year).total_co2e_kg() == co2e_kg


def test_british_gases_add_up_to_the_stated_co2e() -> None:
    """DESNZ states CO2 as a part of CO2e, each rounded to five digits."""
    parts = [
        f
        for versions in builtin_factors().values()
        for f in versions
        if f.publication.startswith("desnz") and f.co2_kg is not None and f.co2e_kg is not None
    ]
    assert len(parts) > 700
    assert [f for f in parts if f.co2_kg > f.co2e_kg * (1 + 1e-9)] == []  # type: ignore[operator]


@pytest.mark.vector
@pytest.mark.parametrize(
    ("subregion", "pounds"),
    [
        ("srvc", (590.229, 0.045, 0.006)), ("aznm", (740.810, 0.041, 0.006)),
        ("frcc", (801.891, 0.042, 0.005)), ("spso", (891.103, 0.055, 0.008)),
    ],
)  # fmt: skip
def test_egrid_subregions_state_methane_and_nitrous_oxide(
    subregion: str, pounds: Sequence[float]
) -> None:
    found = factor(f"grid-us-{subregion}", 2023)
    assert (found.co2_kg, found.ch4_kg, found.n2o_kg) == pytest.approx(
        [p * LB_MWH for p in pounds], rel=1e-12
    )


@pytest.mark.vector
def test_the_upper_midwest_in_co2e() -> None:
    found = factor("grid-us-mrow", 2023)
    assert (found.co2_kg, found.total_co2e_kg(AR6)) == pytest.approx((0.417315, 0.420237), abs=1e-6)


@pytest.mark.parametrize("year", [2022, 2023])
def test_all_27_subregions_lie_around_the_average_of_the_united_states(year: int) -> None:
    names = [name for name in lines() if name.startswith("grid-us-") and "ember" not in name]
    assert len(names) == 27
    found = [factor(name, year).counted_co2_kg for name in names]
    assert min(found) < factor("grid-us", year).counted_co2_kg < max(found)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "heat_mmbtu", "unit", "co2_kg", "biogenic_kg"),
    [
        ("wood", 17.48, "short ton", 0.0, 93.80), ("petroleum-coke", 30.00, "short ton", 102.41, 0),
        ("jet-kerosene", 0.135, "gal", 72.22, 0), ("landfill-gas", 0.000485, "scf", 0.0, 52.07),
        ("coke-oven-gas", 0.000599, "scf", 46.85, 0), ("heating-oil", 0.138, "gal", 73.96, 0),
        ("blast-furnace-gas", 0.000092, "scf", 274.32, 0), ("fuel-oil-no1", 0.139, "gal", 73.25, 0),
    ],
)  # fmt: skip
def test_table_c1(
    name: str, heat_mmbtu: float, unit: str, co2_kg: float, biogenic_kg: float
) -> None:
    found = factor(name)
    assert found.heat_content is not None
    assert found.heat_content.mj == pytest.approx(heat_mmbtu * 1055.056, rel=1e-12)
    assert (found.heat_content.unit, found.co2_kg) == (unit, co2_kg)
    assert found.co2_biogenic_kg == biogenic_kg


#: kg CO2 per unit of fuel (short ton, scf, gal) as EPA prints them beside the factors: GHG Emission
#: Factors Hub (15 January 2025), table 1.
PRINTED = {
    "coal-anthracite": 2602, "coal-bituminous": 2325, "coal-subbituminous": 1676,
    "coal-lignite": 1389, "coal-mixed-commercial": 2016, "coal-mixed-power": 1885,
    "coal-mixed-coking": 2468, "coal-mixed-industrial": 2116, "coal-coke": 2819,
    "municipal-solid-waste": 902, "petroleum-coke": 3072, "plastics": 2850, "tires": 2407,
    "natural-gas": 0.05444, "blast-furnace-gas": 0.02524, "coke-oven-gas": 0.02806,
    "fuel-gas": 0.08189, "propane-gas": 0.15463, "asphalt": 11.91, "aviation-gasoline": 8.31,
    "butane": 6.67, "butylene": 7.22, "crude-oil": 10.29, "fuel-oil-no1": 10.18, "diesel": 10.21,
    "heating-oil": 10.21, "fuel-oil-no4": 10.96, "ethane": 4.05, "ethylene": 3.83,
    "heavy-gas-oil": 11.09, "isobutane": 6.43, "isobutylene": 7.09, "kerosene": 10.15,
    "jet-kerosene": 9.75, "lpg": 5.68, "lubricants": 10.69, "gasoline": 8.78, "naphtha": 8.5,
    "natural-gasoline": 7.36, "other-oil": 10.59, "pentanes-plus": 7.7,
    "petrochemical-feedstocks": 8.88, "propane": 5.72, "propylene": 6.17, "fuel-oil-no5": 10.21,
    "fuel-oil-residual": 11.27, "special-naphtha": 9.04, "unfinished-oils": 10.36,
    "used-oil": 10.21, "agricultural-byproducts": 975, "peat": 895, "solid-byproducts": 1096,
    "wood": 1640, "landfill-gas": 0.025254, "biogas": 0.034106, "biodiesel": 9.45,
    "ethanol": 5.75, "rendered-animal-fat": 8.88, "vegetable-oil": 9.79,
}  # fmt: skip


def test_table_c1_gives_the_mass_of_a_unit_of_fuel_that_epa_prints() -> None:
    of_rule = [f for name in lines() for f in versions_of(name) if f.publication == "us-40cfr98"]
    assert {f.id for f in of_rule} == set(PRINTED)
    for f in of_rule:
        assert f.heat_content is not None
        mass = (f.counted_co2_kg + f.co2_biogenic_kg) * f.heat_content.mj / 1055.056
        printed = PRINTED[f.id]
        digits = len(repr(printed).partition(".")[2]) if isinstance(printed, float) else 0
        assert mass == pytest.approx(printed, abs=0.51 * 10**-digits), f.id
    # diesel is No. 2, heating oil too; ten fuels are of biomass
    assert len([f for f in of_rule if f.co2_biogenic_kg]) == 10


@pytest.mark.vector
def test_wood_counts_in_co2e_by_its_methane_and_nitrous_oxide_alone() -> None:
    assert factor("wood").total_co2e_kg(AR6) == pytest.approx(1.1772, rel=1e-9)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("country", "first", "revised"),
    [
        ("de", 0.329, 0.316), ("fr", 0.050, 0.047), ("at", 0.085, 0.059), ("pl", 0.614, 0.595),
        ("es", 0.158, 0.140), ("it", 0.225, 0.248), ("se", 0.008, 0.007), ("eu27", 0.210, 0.206),
    ],
)  # fmt: skip
def test_europe_in_2023_as_first_released_and_as_revised(
    country: str, first: float, revised: float
) -> None:
    before = datetime(2025, 11, 5, tzinfo=UTC)
    assert factor(f"grid-{country}", 2023, before).total_co2e_kg() == first
    assert factor(f"grid-{country}", 2023).total_co2e_kg() == revised


def test_the_european_union_is_cleaner_by_what_the_indicator_says() -> None:
    """EEA: in 2024 the EU's electricity was 11 % less GHG intensive than in 2023."""
    fell = 1 - factor("grid-eu27", 2024).counted_co2_kg / factor("grid-eu27", 2023).counted_co2_kg
    assert round(100 * fell) == 11
    members = [name for name, each in lines().items() if each[0].publication.id == "eea-2023"]
    assert len(members) == 28


@pytest.mark.vector
@pytest.mark.parametrize(
    ("province", "year", "co2_kg"),
    [
        ("beijing", 2023, 0.5554), ("hebei", 2023, 0.6516), ("shanxi", 2023, 0.6634),
        ("jiangsu", 2023, 0.5827), ("zhejiang", 2023, 0.4974), ("guangdong", 2023, 0.4419),
        ("sichuan", 2023, 0.1564), ("yunnan", 2023, 0.1333),
        # a newspaper's article of 27 December 2024 names the highest and the lowest of 2022
        ("hebei", 2022, 0.7252), ("anhui", 2022, 0.6782), ("fujian", 2022, 0.4092),
        ("guangxi", 2022, 0.4044), ("qinghai", 2022, 0.1567), ("yunnan", 2022, 0.1073),
        ("north", 2022, 0.6776), ("southwest", 2022, 0.2268),
    ],
)  # fmt: skip
def test_chinese_provinces(province: str, year: int, co2_kg: float) -> None:
    assert factor(f"grid-cn-{province}", year).co2_kg == co2_kg


@pytest.mark.vector
def test_china_fell_by_what_its_announcements_were_reported_with() -> None:
    """The nation by 3.6 % and fossil power by 1.2 % from 2021 to 2022."""
    for name, percent in (("grid-cn", 3.6), ("grid-cn-fossil", 1.2)):
        fell = 1 - factor(name, 2022).counted_co2_kg / factor(name, 2021).counted_co2_kg
        assert round(100 * fell, 1) == percent
    # what is not sold as non-fossil emits more by the share that is
    for year in (2021, 2022, 2023):
        residual, nation = factor("grid-cn-residual", year), factor("grid-cn", year)
        assert residual.counted_co2_kg > nation.counted_co2_kg


@pytest.mark.parametrize("publication", ["mee-2022", "mee-2023"])
def test_every_region_and_province_of_china_is_there(publication: str) -> None:
    named = [
        name
        for name, each in lines().items()
        if publication in {line.publication.id for line in each}
    ]
    # the nation, its residual mix, fossil power, 7 regions, 30 provinces
    assert len(named) == 40


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "tj_per_gg", "co2_kg_tj"),
    [("lpg-ipcc", 47.3, 63_100.0), ("gasoline-ipcc", 44.3, 69_300.0)],
)
def test_ipcc_defaults(name: str, tj_per_gg: float, co2_kg_tj: float) -> None:
    found = factor(name)
    assert found.heat_content is not None
    assert (found.heat_content.mj, found.co2_kg) == (tj_per_gg, co2_kg_tj)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "ar4", "ar5"),
    [("sf6", 22_800, 23_500), ("nf3", 17_200, 16_100), ("hfc-134a", 1_430, 1_300)],
)
def test_gases_by_their_global_warming_potential(name: str, ar4: float, ar5: float) -> None:
    assert factor(name).total_co2e_kg(AR4) == ar4
    assert factor(name).total_co2e_kg(AR5) == ar5
    assert factor(name).counted_co2_kg == 0


#: US EPA, GHG Emission Factors Hub (15 January 2025), table 12: potentials of AR5.
BLENDS = {
    "r404a": 3943, "r407a": 1923, "r407b": 2547, "r407c": 1624, "r407d": 1487, "r410a": 1924,
    "r410b": 2048, "r417a": 2127, "r422a": 2847, "r422d": 2473, "r426a": 1371, "r428a": 3417,
    "r434a": 3075, "r507a": 3985, "r508a": 11607, "r508b": 11698,
}  # fmt: skip


def test_blends_are_computed_from_their_components() -> None:
    assert {name: versions_of(name)[0].co2e_kg for name in BLENDS} == dict.fromkeys(BLENDS)
    for name, published in BLENDS.items():
        assert factor(name).total_co2e_kg(AR5) == pytest.approx(published, abs=0.6), name


@pytest.mark.parametrize("gwp", [AR4, AR5, AR6], ids=lambda gwp: gwp.name)
def test_half_and_half_is_the_mean_of_its_components(gwp: GwpSet) -> None:
    mean = (potentials()["HFC-32"][gwp.name] + potentials()["HFC-125"][gwp.name]) / 2
    assert factor("r410a").total_co2e_kg(gwp) == mean


@pytest.mark.parametrize(
    ("name", "year", "co2e_kg"),
    [
        ("grid-ca-on", 2026, 0.059), ("grid-ca-ab", 2025, 0.490), ("grid-ca-qc", 2026, 0.0019),
        ("grid-ca-on", 2027, 0.073), ("grid-au-nsw", 2026, 0.60), ("grid-au-vic", 2025, 0.78),
        ("grid-au", 2024, 0.63), ("grid-nz", 2024, 0.0993596), ("grid-nz", 2026, 0.0786625),
        ("grid-kr", 2023, 0.4173), ("grid-jp", 2024, 0.423), ("grid-in", 2025, 0.675),
        ("grid-gb-ember", 2024, 0.2165), ("grid-jp-ember", 2024, 0.48343),
        ("grid-za-ember", 2025, 0.69929), ("grid-world-ember", 2024, 0.47108),
    ],
)  # fmt: skip
def test_grids_of_the_world(name: str, year: int, co2e_kg: float) -> None:
    assert factor(name, year).total_co2e_kg() == pytest.approx(co2e_kg, rel=1e-12)


def test_pipeline_gas_in_australia_by_the_cubic_metre() -> None:
    """NGA prints the product: 2.025129 kg CO2e per m3."""
    found = factor("natural-gas-au")
    assert found.heat_content is not None
    per_m3 = found.total_co2e_kg() * found.heat_content.mj / 1000
    assert per_m3 == pytest.approx(2.025129, rel=1e-9)


def test_everything_second_hand_says_via_whom() -> None:
    second = {p.id for p in publications().values() if not p.first_hand}
    assert {"desnz-2026", "eea-2024", "ember-2026", "nga-2026", "mfe-2026"} <= second
    assert {"egrid-2023", "us-40cfr98", "desnz-2023", "desnz-2024"}.isdisjoint(second)
