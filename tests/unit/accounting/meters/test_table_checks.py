"""Each table of built-in factors against figures that its source, or an independent one, states."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from services.core.accounting.builtin_factors import lines, versions_of
from services.core.accounting.factor_publications import publications
from services.core.accounting.factor_tables import Figure
from services.core.accounting.factors import version_in_force
from services.core.accounting.gwp import AR5, AR6, potentials

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def figures(publication: str) -> dict[tuple[str, int | None], Figure]:
    return {
        (line.cells[0], figure.data_year): figure
        for stated in lines().values()
        for line in stated
        if line.publication.id == publication and (figure := line.figure())
    }


def co2e_kg(figure: Figure) -> float:
    return figure.co2e_kg if figure.co2e_kg is not None else figure.co2_kg or 0.0


def by_name(publication: str) -> dict[str, Figure]:
    return {name: figure for (name, _), figure in figures(publication).items()}


#: MJ per kg, gross, of fuels of DESNZ (Fuel properties), to three digits: what a tonne and a
#: kilowatt hour of one fuel come to must agree with it.
_HEAT = {
    "burning-oil": 46.2, "diesel-mineral": 45.7, "petrol-mineral": 47.0, "gas-oil": 45.3,
    "fuel-oil": 43.4, "lpg": 49.3, "butane": 49.1, "propane": 50.4, "coal-industrial": 26.7,
    "coal-domestic": 30.1, "coal-coking": 31.8, "petroleum-coke": 35.8, "naphtha": 47.8,
    "aviation-turbine-fuel": 46.2, "waste-oil": 45.2, "marine-gas-oil": 45.3,
}  # fmt: skip


def check_desnz(publication: str) -> None:
    table = by_name(publication)
    fuels = {name.removesuffix("-gb-t") for name in table if name.endswith("-gb-t")}
    assert len(fuels) > 15
    for fuel in fuels & set(_HEAT):
        tonne = table.get(f"{fuel}-gb-t")
        gross = table.get(f"{fuel}-gb-kwh-gross") or table.get(f"{fuel}-gb")
        assert tonne is not None
        assert gross is not None
        if gross.unit != "kWh":
            continue
        mj_per_kg = co2e_kg(tonne) / co2e_kg(gross) * 3.6 / 1000
        assert mj_per_kg == pytest.approx(_HEAT[fuel], rel=0.02), fuel
    # gross and net differ by 5 % of solid and liquid fuels, and by a tenth of gases
    for name, net in table.items():
        if not name.endswith("-kwh-net") or "-wtt" in name:
            continue
        fuel = name.removesuffix("-gb-kwh-net")
        gross = table.get(f"{fuel}-gb-kwh-gross") or table[f"{fuel}-gb"]
        share = co2e_kg(gross) / co2e_kg(net)
        assert 0.895 < share < 0.955, name
    # what is stated by gas is no more than CO2e, and no less than nine tenths (coal in hearths)
    for name, figure in table.items():
        if figure.co2_kg and figure.co2e_kg and not figure.co2_biogenic_kg:
            assert 0.9 < figure.co2_kg / figure.co2e_kg <= 1, name


def check_old_desnz(publication: str) -> None:
    # before 2023 the CO2e of a fuel and that of its gases were stated on other potentials
    table = by_name(publication)
    assert len(table) > 240
    assert co2e_kg(table["grid-gb"]) * 0.05 < co2e_kg(table["grid-gb-td"]) < 0.03
    assert co2e_kg(table["natural-gas-gb"]) == pytest.approx(0.183, abs=0.002)


def check_like_ember(*names: str) -> Callable[[str], None]:
    """Compare with Ember's life-cycle intensities, which another publisher computes otherwise."""

    def check(publication: str) -> None:
        ember = figures("ember-2026")
        compared = 0
        for (name, year), figure in figures(publication).items():
            if names and name not in names:
                continue
            nation = name.removesuffix("-uba")
            other = ember.get((f"{nation}-ember", max(2020, min(year or 2024, 2025))))
            if other is not None:
                compared += 1
                apart = abs(co2e_kg(figure) - co2e_kg(other))
                assert apart < max(0.35 * co2e_kg(other), 0.11), name
        assert compared, publication

    return check


def check_around_the_nation(nation: str) -> Callable[[str], None]:
    def check(publication: str) -> None:
        table = by_name(publication)
        parts = [f for name, f in table.items() if name.startswith(f"{nation}-")]
        parts = [f for f in parts if f.basis == "location" and not f.id.endswith("-fossil")]
        assert len(parts) > 5
        low, high = (end(co2e_kg(f) for f in parts) for end in (min, max))
        assert low < co2e_kg(table[nation]) < high
        mean = sum(co2e_kg(f) for f in parts) / len(parts)
        assert co2e_kg(table[nation]) == pytest.approx(mean, rel=0.35)

    return check


def check_canada(publication: str) -> None:
    # hydro, nuclear and coal provinces keep their order from edition to edition
    for year in {year for _, year in figures(publication)}:
        of = {
            name: co2e_kg(f) for (name, stated), f in figures(publication).items() if stated == year
        }
        assert of["grid-ca-qc"] < 0.005 < of["grid-ca-on"] < 0.1 < of["grid-ca-ab"]
        assert of["grid-ca-ab"] < of["grid-ca-sk"] < of["grid-ca-nu"] < 1
        assert len(of) == 13


def check_canadian_fuels(publication: str) -> None:
    table = by_name(publication)
    # table 1: the molecule's carbon; C3H8 at 0.51 kg/L is 1.527 kg CO2 a litre
    assert table["propane-ca"].co2_kg == pytest.approx(0.51 * 3 * 44.01 / 44.097, rel=0.01)
    assert table["diesel-ca"].co2_kg == pytest.approx(2.681, rel=1e-9)
    gas = [f.co2_kg for name, f in table.items() if name.startswith("natural-gas-ca")]
    assert len(gas) == 13
    assert all(1.9 < (kg or 0) < 1.97 for kg in gas)


def check_australia(publication: str) -> None:
    check_around_the_nation("grid-au")(publication)
    table = by_name(publication)
    # its workbook prints the products: kg CO2-e per litre, per m3 of gas
    printed = {"diesel-au": 2.70972, "lpg-au": 1.55742, "heating-oil-au": 2.600929,
               "fuel-oil-au": 2.931448, "natural-gas-au": 2.025129}  # fmt: skip
    for name, per_unit in printed.items():
        content = table[name].heat_content
        assert content is not None
        assert co2e_kg(table[name]) * content.mj / 1000 == pytest.approx(per_unit, rel=1e-6), name


def check_new_zealand_fuels(publication: str) -> None:
    table = by_name(publication)
    for fuel in ("diesel-nz", "lpg-nz", "fuel-oil-light-nz", "fuel-oil-heavy-nz"):
        # industrial use has less CH4 and N2O than commercial use
        assert 0.99 < co2e_kg(table[f"{fuel}-industrial"]) / co2e_kg(table[fuel]) < 1


#: Table 1.3: kg of carbon a GJ, and table 2.2: kg of CH4 and N2O a TJ.
_IPCC = {
    "aviation-gasoline": (19.1, 3, 0.6), "jet-kerosene": (19.5, 3, 0.6),
    "kerosene": (19.6, 3, 0.6), "crude-oil": (20.0, 3, 0.6), "natural-gas-liquids": (17.5, 3, 0.6),
    "ethane": (16.8, 1, 0.1), "naphtha": (20.0, 3, 0.6), "bitumen": (22.0, 3, 0.6),
    "lubricants": (20.0, 3, 0.6), "petroleum-coke": (26.6, 3, 0.6), "refinery-gas": (15.7, 1, 0.1),
    "coal-coking": (25.8, 1, 1.5), "coal-subbituminous": (26.2, 1, 1.5),
    "brown-coal-briquettes": (26.6, 1, 1.5), "patent-fuel": (26.6, 1, 1.5),
    "coal-coke": (29.2, 1, 1.5), "coal-tar": (22.0, 1, 1.5), "gas-works-gas": (12.1, 1, 0.1),
    "coke-oven-gas": (12.1, 1, 0.1), "blast-furnace-gas": (70.8, 1, 0.1), "peat": (28.9, 1, 1.5),
    "refinery-feedstock": (20.0, 3, 0.6), "shale-oil": (20.0, 3, 0.6),
    "white-spirit": (20.0, 3, 0.6), "paraffin-wax": (20.0, 3, 0.6),
    "petroleum-products": (20.0, 3, 0.6), "oil-shale": (29.1, 1, 1.5), "gas-coke": (29.2, 1, 0.1),
    "oxygen-steel-furnace-gas": (49.6, 1, 0.1), "waste-oil": (20.0, 30, 4),
    "industrial-waste": (39.0, 30, 4), "municipal-waste": (25.0, 30, 4),
    "municipal-waste-biomass": (27.3, 30, 4), "wood": (30.5, 30, 4), "charcoal": (30.5, 200, 4),
    "biogasoline": (19.3, 3, 0.6), "biodiesel": (19.3, 3, 0.6), "landfill-gas": (14.9, 1, 0.1),
    "sludge-gas": (14.9, 1, 0.1), "biogas": (14.9, 1, 0.1),
}  # fmt: skip


def check_ipcc_carbon(publication: str) -> None:
    table = by_name(publication)
    assert set(table) == {f"{name}-ipcc" for name in _IPCC}
    for name, (carbon, ch4, n2o) in _IPCC.items():
        figure = table[f"{name}-ipcc"]
        co2 = float(f"{carbon * 44 / 12 * 1000:.3g}")
        assert (figure.co2_kg or 0) + figure.co2_biogenic_kg == co2, name
        assert (figure.ch4_kg, figure.n2o_kg, figure.basis) == (ch4, n2o, "net"), name


def check_ipcc(publication: str) -> None:
    table = by_name(publication)
    # table 2.2: the CO2 of a kilogram of fuel by its heat content
    for name, kg_per_kg in (
        ("natural-gas-ipcc", 2.69), ("diesel-ipcc", 3.19), ("fuel-oil-residual-ipcc", 3.13),
        ("lpg-ipcc", 2.98), ("gasoline-ipcc", 3.07), ("coal-anthracite-ipcc", 2.62),
        ("coal-bituminous-ipcc", 2.44), ("coal-lignite-ipcc", 1.20),
    ):  # fmt: skip
        content = table[name].heat_content
        assert content is not None
        per_kg = (table[name].co2_kg or 0) * content.mj / 1e6
        assert per_kg == pytest.approx(kg_per_kg, abs=0.006), name


#: 40 CFR 98 table C-2: kg of CH4 and N2O a mmBtu, by the group of the fuel.
_C2 = {
    (0.011, 0.0016): 9, (0.001, 0.0001): 1, (0.003, 0.0006): 33, (0.032, 0.0042): 7,
    (2.2e-05, 0.0001): 1, (0.00048, 0.0001): 1, (0.0072, 0.0036): 1, (0.0032, 0.00063): 2,
    (0.0011, 0.00011): 4,
}  # fmt: skip


def check_table_c2(publication: str) -> None:
    groups: dict[tuple[float, float], int] = {}
    for figure in by_name(publication).values():
        key = (figure.ch4_kg, figure.n2o_kg)
        groups[key] = groups.get(key, 0) + 1
    assert groups == _C2


def check_pulping_liquor(publication: str) -> None:
    table = by_name(publication)
    assert len(table) == 5
    # table AA-1: one factor of CH4 and N2O for every wood, CO2 all of biomass
    assert {(f.ch4_kg, f.n2o_kg, f.co2_kg) for f in table.values()} == {(0.0019, 0.00042, 0.0)}


def check_transport(publication: str) -> None:
    """Table 2 is the product of table 1: heat of a gallon by CO2 of a mmBtu."""
    table, rule = by_name(publication), by_name("us-40cfr98")
    for name, fuel in (
        ("transport-diesel-us", "diesel"), ("transport-gasoline-us", "gasoline"),
        ("transport-jet-kerosene-us", "jet-kerosene"), ("transport-lpg-us", "lpg"),
        ("transport-aviation-gasoline-us", "aviation-gasoline"),
        ("transport-fuel-oil-residual-us", "fuel-oil-residual"),
    ):  # fmt: skip
        content = rule[fuel].heat_content
        assert content is not None
        product = (rule[fuel].co2_kg or 0) * content.mj / 1055.056
        assert table[name].co2_kg == pytest.approx(product, abs=0.006), name


#: US EPA, GHG Emission Factors Hub (26 May 2026), table 12: potentials of AR6.
_BLENDS_AR6 = {
    "r404a": 4728, "r407a": 2262, "r407b": 3001, "r407c": 1908, "r407d": 1748, "r410a": 2256,
    "r410b": 2404, "r417a": 2508, "r422a": 3359, "r422b": 2700, "r422c": 3296, "r422d": 2917,
    "r424a": 2608, "r426a": 1614, "r427a": 2397, "r428a": 4061, "r434a": 3654, "r438a": 2425,
    "r442a": 2042, "r448a": 1494, "r449a": 1504, "r450a": 643, "r507a": 4775, "r508a": 13258,
    "r508b": 13412, "r513a": 673,
}  # fmt: skip


def check_blends(publication: str) -> None:
    for name, figure in by_name(publication).items():
        factor = version_in_force(versions_of(name), date(2026, 6, 1), NOW)
        assert factor.total_co2e_kg(AR6) == pytest.approx(_BLENDS_AR6[name], abs=0.6), name
        assert sum(amount for _, amount in figure.gases) <= 1.0 + 1e-9


#: The same, table 11: potentials of AR6, over 100 years.
_AR6 = {
    "HFC-23": 14600, "HFC-32": 771, "HFC-125": 3740, "HFC-134a": 1530, "HFC-143a": 5810,
    "HFC-152a": 164, "HFC-227ea": 3600, "HFC-236fa": 8690, "HFC-245fa": 962, "HFC-365mfc": 914,
    "HFC-43-10mee": 1600, "SF6": 24300, "NF3": 17400, "PFC-14": 7380, "PFC-116": 12400,
    "PFC-218": 9290, "PFC-318": 10200, "PFC-31-10": 10000, "PFC-41-12": 9220, "PFC-51-14": 8620,
}  # fmt: skip

#: DESNZ conversion factors of 2025 and 2026, refrigerants: potentials of AR5.
_AR5 = {
    "HFC-23": 12400, "HFC-32": 677, "HFC-125": 3170, "HFC-134a": 1300, "HFC-143a": 4800,
    "HFC-152a": 138, "HFC-227ea": 3350, "HFC-236fa": 8060, "HFC-245fa": 858, "HFC-365mfc": 804,
    "HFC-43-10mee": 1650, "SF6": 23500, "NF3": 16100, "PFC-14": 6630, "PFC-116": 11100,
    "PFC-218": 8900, "PFC-318": 9540, "PFC-31-10": 9200, "PFC-41-12": 8550, "PFC-51-14": 7910,
    "HCFC-22": 1760, "HCFC-123": 79, "HCFC-124": 527, "HCFC-141b": 782, "HCFC-142b": 1980,
    "CFC-11": 4660, "CFC-12": 10200, "HFE-125": 12400, "HFE-134": 5560,
}  # fmt: skip


def check_gases(publication: str) -> None:
    stated = potentials()
    assert {gas: stated[gas]["AR6"] for gas in _AR6} == _AR6
    assert {gas: stated[gas]["AR5"] for gas in _AR5} == _AR5
    for figure in by_name(publication).values():
        ((gas, amount),) = figure.gases
        factor = version_in_force(versions_of(figure.id), date(2026, 6, 1), NOW)
        assert (amount, factor.total_co2e_kg(AR5)) == (1.0, stated[gas]["AR5"])


def check_ember(publication: str) -> None:
    table = figures(publication)
    assert len(table) > 1100
    for year in range(2020, 2025):
        # the world lies among its countries, and coal's intensity bounds them
        of_year = [co2e_kg(f) for (_, stated), f in table.items() if stated == year]
        assert min(of_year) < co2e_kg(table["grid-world-ember", year]) < max(of_year) < 1.4


def check_europe(publication: str) -> None:
    latest: dict[str, Figure] = {}
    for (name, _), figure in figures(publication).items():
        latest[name] = figure
    members = [co2e_kg(f) for name, f in latest.items() if name != "grid-eu27"]
    assert len(members) == 27
    assert min(members) < co2e_kg(latest["grid-eu27"]) < max(members)
    check_like_ember("grid-de", "grid-fr", "grid-pl", "grid-es", "grid-it", "grid-se")(publication)


def check_hydrogen(publication: str) -> None:
    assert {f.co2_kg for f in by_name(publication).values()} == {0.0}


_CHECKS: dict[str, Callable[[str], None]] = {
    "us-40cfr98": check_table_c2,
    "us-40cfr98-aa": check_pulping_liquor,
    "egrid-2022": check_around_the_nation("grid-us"),
    "egrid-2023": check_around_the_nation("grid-us"),
    "egrid-2024": check_around_the_nation("grid-us"),
    "epa-hub-2025": check_transport,
    "epa-hub-2025-blends": check_blends,
    "epa-hub-2026-blends": check_blends,
    "ipcc-gwp": check_gases,
    "ipcc-2006": check_ipcc,
    "ipcc-2006-co2": check_ipcc_carbon,
    "desnz-2020": check_old_desnz,
    "desnz-2021": check_old_desnz,
    "desnz-2022": check_old_desnz,
    "desnz-2023": check_desnz,
    "desnz-2024": check_desnz,
    "desnz-2025": check_desnz,
    "desnz-2026": check_desnz,
    "eea-2023": check_europe,
    "eea-2024": check_europe,
    "uba-2025": check_like_ember(),
    "eccc-v3": check_canada,
    "eccc-v4": check_canada,
    "eccc-v3-fuels": check_canadian_fuels,
    "nga-2023": check_around_the_nation("grid-au"),
    "nga-2024": check_around_the_nation("grid-au"),
    "nga-2025": check_around_the_nation("grid-au"),
    "nga-2026": check_australia,
    "mfe-2026": check_like_ember("grid-nz"),
    "mfe-2026-fuels": check_new_zealand_fuels,
    "mee-2021": check_like_ember(),
    "mee-2022": check_around_the_nation("grid-cn"),
    "mee-2022-ets": check_like_ember(),
    "mee-2023": check_around_the_nation("grid-cn"),
    "ghgp-2024": check_like_ember(),
    "gir-2021": check_like_ember(),
    "gir-2024": check_like_ember(),
    "gir-2025": check_like_ember(),
    "japan-2024": check_like_ember(),
    "cea-v20": check_like_ember(),
    "cea-v21": check_like_ember(),
    "cea-v22": check_like_ember(),
    "ember-2026": check_ember,
    "composition": check_hydrogen,
}


@pytest.mark.parametrize("publication", sorted(publications()))
def test_a_table_agrees_with_what_is_stated_of_it(publication: str) -> None:
    _CHECKS[publication](publication)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("name", "year", "co2e"),
    [
        ("burning-oil-gb", 2026, 2.54016), ("burning-oil-gb", 2025, 2.54016),
        ("lpg-gb-l", 2025, 1.55713), ("natural-gas-gb-m3", 2026, 2.02633),
        ("coal-industrial-gb", 2026, 2415.03994), ("wood-pellets-gb", 2025, 55.19389),
        ("aviation-turbine-fuel-gb", 2026, 2.54269), ("gas-oil-gb", 2026, 2.75541),
        ("heat-gb", 2025, 0.17529), ("cng-gb-t", 2026, 2507.72441),
    ],
)  # fmt: skip
def test_british_fuels_of_the_last_two_years(name: str, year: int, co2e: float) -> None:
    factor = version_in_force(versions_of(name), date(year, 12, 1), NOW)
    assert (factor.total_co2e_kg(), factor.data_year) == (co2e, year)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("subregion", "pounds"),
    [("mrow", 862.6), ("nyup", 272.0), ("erct", 700.7), ("srvc", 637.4), ("camx", 403.6)],
)
def test_the_newest_egrid(subregion: str, pounds: float) -> None:
    factor = version_in_force(versions_of(f"grid-us-{subregion}"), date(2026, 6, 1), NOW)
    assert factor.data_year == 2024
    assert factor.co2_kg == pytest.approx(pounds * 0.45359237 / 1000, rel=1e-12)
