"""The page of built-in factors: a table for each series of publications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.reference.markdown import code, page, table
from services.core.accounting.builtin_factors import lines
from services.core.accounting.factor_publications import Publication, Series, publications
from services.core.accounting.factor_tables import Figure
from services.core.accounting.gwp import co2e_kg

_INTRODUCTION = (
    "Masses are kg per unit of activity. `tonne factors search diesel germany` finds a factor,"
    " `GET /v1/factors` lists every version with the days that it holds and since when it could be"
    " known. `tonne factors import` adds factors, and a facility file may state its own.\n\n"
    "Where a series has several years, the figure of each year is shown in CO2e: as published, else"
    " from the gases and the potentials of AR6. Figures of the facility's year hold until the next"
    " year's are there. *Second-hand* figures were read in what somebody took from the publication."
)


def page_of_factors() -> str:
    """Return the page."""
    series = {p.series.id: p.series for p in publications().values()}
    return page("Built-in factors", _INTRODUCTION, *map(_section, series.values()))


def _section(series: Series) -> str:
    of_series = [p for p in publications().values() if p.series.id == series.id]
    figures = [
        line.figure()
        for each in lines().values()
        for line in each
        if line.publication.series.id == series.id
    ]
    title = f"## {series.publisher}: {of_series[-1].title}"
    said = f"Calendar: {series.calendar}."
    listed = "\n".join(f"* {_words(publication)}" for publication in of_series)
    several = {(figure.publication.id, figure.data_year) for figure in figures}
    shown = _by_year(figures) if len(several) > 1 and _yearly(figures) else _by_gas(figures)
    return f"{title}\n\n{said}\n\n{listed}\n\n{shown}"


def _yearly(figures: Sequence[Figure]) -> bool:
    return all(figure.year is not None for figure in figures)


def _words(publication: Publication) -> str:
    day = f", known since {publication.published}" if publication.published else ""
    via = "" if publication.via is None else f"; second-hand via {publication.via}"
    note = f" {publication.note}" if publication.note else ""
    return f"{publication.citation}{day}. Licence: {publication.licence}{via}.{note}"


def _by_year(figures: Sequence[Figure]) -> str:
    years = sorted({figure.year for figure in figures if figure.year is not None})
    found: dict[str, dict[int, Figure]] = {}
    for figure in figures:
        # of two figures of a year the later publication's comes last
        found.setdefault(figure.id, {})[figure.year or 0] = figure
    rows = [
        (code(name), _any(each).name, _any(each).unit, *(_cell(each.get(year)) for year in years))
        for name, each in found.items()
    ]
    return table(("factor", "what", "unit", *map(str, years)), rows)


def _any(figures: dict[int, Figure]) -> Figure:
    return next(iter(figures.values()))


def _cell(figure: Figure | None) -> str:
    return "" if figure is None else f"{_co2e_kg(figure):.6g}"


def _co2e_kg(figure: Figure) -> float:
    if figure.co2e_kg is not None:
        return figure.co2e_kg
    return co2e_kg(figure.co2_kg or 0.0, figure.ch4_kg, figure.n2o_kg, gases=figure.gases)


def _by_gas(figures: Sequence[Figure]) -> str:
    header = ("factor", "what", "unit", "CO2", "CH4", "N2O", "CO2e", "biogenic CO2", "heat")
    return table(header, list(_rows_by_gas(figures)))


def _rows_by_gas(figures: Sequence[Figure]) -> Iterator[Sequence[str]]:
    for f in figures:
        heat = f.heat_content
        yield (
            code(f.id),
            f.name,
            f.unit,
            "" if f.co2_kg is None else f"{f.co2_kg:.6g}",
            f"{f.ch4_kg:.6g}" if f.ch4_kg else "",
            f"{f.n2o_kg:.6g}" if f.n2o_kg else "",
            f"{_co2e_kg(f):.6g}",
            f"{f.co2_biogenic_kg:.6g}" if f.co2_biogenic_kg else "",
            "" if heat is None else f"{heat.mj:.6g} MJ/{heat.unit}",
        )
