"""Factors that come with tonne, each with its citation, none under a licence against it.

Fuels: 40 CFR 98 tables C-1 and C-2 (US federal law) on gross calorific value, and the IPCC 2006
defaults on net calorific value as `...-ipcc`. Grids: the national figures their governments
publish. A figure holds for its data year; the latest holds on until a newer one is published, and a
figure that was published earlier is kept with the time until which it was the one known.

Diesel is distillate fuel oil No. 2. `grid-cn-residual` is China's average without the non-fossil
electricity sold on the market, the nearest to a residual mix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from services.core.accounting.factors import Factor, HeatContent
from services.core.accounting.units import convert

_C1 = "40 CFR 98 subpart C, tables C-1 (81 FR 89252) and C-2 (78 FR 71952)"
_IPCC = "IPCC 2006 Guidelines, volume 2, tables 1.2 and 2.2 (energy industries)"
_GHGP_GRIDS = "GHG Protocol, Emission Factors from Cross-Sector Tools V2.0 (March 2024)"
_MEE_2022_ETS = "MEE letter on ETS reporting by power generators 2023-2025 (February 2023)"
_MEE_2022 = "MEE and NBS announcement on the 2022 electricity CO2 factors (20 December 2024)"
_MEE_2023 = "MEE and NBS announcement on the 2023 electricity CO2 factors (January 2026)"
_DESNZ = "DESNZ, Greenhouse gas reporting: conversion factors"
_EGRID = "US EPA eGRID, total output emission rates"

#: kg per mmBtu gross of CH4 and N2O by class of fuel, table C-2.
_COAL, _GAS, _OIL = (1.1e-2, 1.6e-3), (1.0e-3, 1.0e-4), (3.0e-3, 6.0e-4)

#: id: mmBtu of gross heat per unit of fuel, that unit, kg CO2 per mmBtu, CH4 and N2O.
_TABLE_C1: dict[str, tuple[float, str, float, tuple[float, float]]] = {
    "natural-gas": (1.026e-3, "scf", 53.06, _GAS),
    "diesel": (0.138, "gal", 73.96, _OIL),
    "heating-oil": (0.139, "gal", 73.25, _OIL),
    "fuel-oil-residual": (0.150, "gal", 75.10, _OIL),
    "kerosene": (0.135, "gal", 75.20, _OIL),
    "gasoline": (0.125, "gal", 70.22, _OIL),
    "lpg": (0.092, "gal", 61.71, _OIL),
    "propane": (0.091, "gal", 62.87, _OIL),
    "butane": (0.103, "gal", 64.77, _OIL),
    "coal-anthracite": (25.09, "short ton", 103.69, _COAL),
    "coal-bituminous": (24.93, "short ton", 93.28, _COAL),
    "coal-subbituminous": (17.25, "short ton", 97.17, _COAL),
    "coal-lignite": (14.21, "short ton", 97.72, _COAL),
    "coal-coke": (24.80, "short ton", 113.67, _COAL),
}

#: id: MJ of net heat per kg, kg CO2, CH4 and N2O per TJ net.
_IPCC_2006: dict[str, tuple[float, float, float, float]] = {
    "natural-gas-ipcc": (48.0, 56_100.0, 1.0, 0.1),
    "diesel-ipcc": (43.0, 74_100.0, 3.0, 0.6),
    "fuel-oil-residual-ipcc": (40.4, 77_400.0, 3.0, 0.6),
    "coal-anthracite-ipcc": (26.7, 98_300.0, 1.0, 1.5),
    "coal-bituminous-ipcc": (25.8, 94_600.0, 1.0, 1.5),
    "coal-lignite-ipcc": (11.9, 101_000.0, 1.0, 1.5),
}

#: kg CO2 per kWh, 2023, by region of the Chinese grid.
_CN_REGIONS_2023 = {
    "north": 0.6361,
    "northeast": 0.5122,
    "east": 0.5500,
    "central": 0.5271,
    "northwest": 0.5543,
    "south": 0.4042,
    "southwest": 0.2472,
}

#: lb CO2 per MWh in eGRID2022 and in eGRID2023, by subregion.
_EGRID_SUBREGIONS = {
    "akgd": (1052.1, 899.0),
    "camx": (497.4, 436.7),
    "erct": (771.1, 738.0),
    "hioa": (1575.4, 1489.4),
    "mrow": (936.5, 920.0),
    "newe": (536.4, 537.2),
    "nwpp": (602.1, 631.7),
    "nyup": (274.6, 241.0),
    "prms": (1593.5, 1543.0),
    "rfce": (657.4, 594.7),
    "rfcw": (1000.1, 911.3),
    "srso": (893.3, 840.9),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Published:
    """One figure of a grid, per kWh: for which year, and since when it could be known."""

    data_year: int
    co2_kg: float
    citation: str
    release: str
    since: datetime | None = None
    ch4_kg: float = 0.0
    n2o_kg: float = 0.0
    co2e_kg: float | None = None


def _on(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _lb_mwh(pounds: float) -> float:
    return convert(pounds, "lb", "kg") / 1000


def _grid(name: str, *figures: _Published) -> Iterator[Factor]:
    """Build a grid's factor versions, from its figures in the order they were published.

    Each holds from its data year on; when the next one is published it is known to end where that
    one begins, or to have been wrong where both are for the same year.
    """
    for i, figure in enumerate(figures):
        after = figures[i + 1] if i + 1 < len(figures) else None
        begin = date(figure.data_year, 1, 1)
        yield _version(name, figure, (begin, None), (figure.since, after.since if after else None))
        if after is not None and after.data_year > figure.data_year:
            end = date(after.data_year, 1, 1)
            yield _version(name, figure, (begin, end), (after.since, None))


def _version(
    name: str,
    figure: _Published,
    valid: tuple[date, date | None],
    known: tuple[datetime | None, datetime | None],
) -> Factor:
    return Factor(
        id=name,
        unit="kWh",
        co2_kg=figure.co2_kg,
        ch4_kg=figure.ch4_kg,
        n2o_kg=figure.n2o_kg,
        co2e_kg=figure.co2e_kg,
        valid_from=valid[0],
        valid_to=valid[1],
        known_from=known[0],
        known_to=known[1],
        basis="market" if name.endswith("-residual") else "location",
        data_year=figure.data_year,
        release=figure.release,
        citation=figure.citation,
    )


def _fuels() -> Iterator[Factor]:
    for name, (heat, per, co2, (ch4, n2o)) in _TABLE_C1.items():
        yield Factor(
            id=name,
            unit="mmBtu",
            co2_kg=co2,
            ch4_kg=ch4,
            n2o_kg=n2o,
            basis="gross",
            release="40 CFR 98 (2016)",
            citation=_C1,
            heat_content=HeatContent(mj=convert(heat, "mmBtu", "MJ"), unit=per, citation=_C1),
        )
    for name, (net_mj, co2, ch4, n2o) in _IPCC_2006.items():
        yield Factor(
            id=name,
            unit="TJ",
            co2_kg=co2,
            ch4_kg=ch4,
            n2o_kg=n2o,
            basis="net",
            data_year=2006,
            release="2006 IPCC Guidelines",
            citation=_IPCC,
            heat_content=HeatContent(mj=net_mj, unit="kg", citation=_IPCC),
        )


def _cn(year: int, co2: float, citation: str, since: datetime | None = None) -> _Published:
    return _Published(data_year=year, co2_kg=co2, citation=citation, release=citation, since=since)


def _gb(year: int, co2: float, co2e: float, since: datetime | None = None) -> _Published:
    return _Published(
        data_year=year,
        co2_kg=co2,
        co2e_kg=co2e,
        citation=f"{_DESNZ} {year}",
        release=f"DESNZ {year}",
        since=since,
    )


def _us(year: int, release: str, pounds: float, *, whole: bool = False) -> _Published:
    """Build a rate in lb CO2 per MWh; eGRID2023 states CH4 and N2O for the whole US only."""
    gases = whole and year == 2023
    return _Published(
        data_year=year,
        co2_kg=_lb_mwh(pounds),
        ch4_kg=_lb_mwh(0.057) if gases else 0.0,
        n2o_kg=_lb_mwh(0.008) if gases else 0.0,
        citation=f"{_EGRID}, {release}" + ("" if gases else ", CO2 only"),
        release=release,
        since=_on(2025, 1, 15) if year == 2023 else None,
    )


def _grids() -> Iterator[Factor]:
    yield from _grid(
        "grid-cn",
        _cn(2022, 0.5703, _MEE_2022_ETS),
        _cn(2022, 0.5366, _MEE_2022, _on(2024, 12, 20)),
        _cn(2023, 0.5306, _MEE_2023, _on(2026, 1, 15)),
    )
    yield from _grid("grid-cn-residual", _cn(2023, 0.6096, _MEE_2023))
    yield from _grid("grid-cn-fossil", _cn(2023, 0.8273, _MEE_2023))
    for region, co2 in _CN_REGIONS_2023.items():
        yield from _grid(f"grid-cn-{region}", _cn(2023, co2, _MEE_2023))
    yield from _grid(
        "grid-gb",
        _gb(2023, 0.20496, 0.207074),
        _gb(2024, 0.20493, 0.20705, _on(2024, 7, 8)),
        _gb(2025, 0.17489, 0.17700, _on(2025, 6, 10)),
    )
    yield from _grid(
        "grid-us",
        _us(2022, "eGRID2022", 823.1, whole=True),
        _us(2023, "eGRID2023rev2", 771.5, whole=True),
    )
    for subregion, (in_2022, in_2023) in _EGRID_SUBREGIONS.items():
        yield from _grid(
            f"grid-us-{subregion}",
            _us(2022, "eGRID2022", in_2022),
            _us(2023, "eGRID2023rev2", in_2023),
        )
    for country, year, co2 in (("tw", 2022, 0.495), ("th", 2022, 0.412), ("br", 2023, 0.03851)):
        yield from _grid(f"grid-{country}", _cn(year, co2, _GHGP_GRIDS))


BUILTIN: tuple[Factor, ...] = (*_fuels(), *_grids())
