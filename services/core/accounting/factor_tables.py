"""Read the tables of built-in factors: one CSV for each publication, a figure a line.

Columns: `id`, `name` (plain words), `unit`, `basis`, `region` (ISO 3166; empty: everywhere), and
the masses `co2`, `ch4`, `n2o`, `co2e` and `co2_biogenic` per unit, `gases` others by their name
(`HFC-32=0.5 HFC-125=0.5`). `co2` is empty where only CO2e is published, `co2e` where the gases are.
`year` is the year of the figure where it is not that of
the publication, `heat` and `heat_unit` the heat in one unit of fuel. A table may leave columns out.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, get_args

from services.core.accounting.factor_publications import (
    DIRECTORY,
    FactorDataError,
    Publication,
)
from services.core.accounting.factors import Basis, HeatContent
from services.core.accounting.gwp import potentials
from services.core.accounting.units import UnitError, convert, unit

_MASSES = ("co2", "ch4", "n2o", "co2e", "co2_biogenic")
_NEEDED = ("id", "name", "unit", "basis")
_COLUMNS = (*_NEEDED, "region", "year", "gases", "heat", "heat_unit", *_MASSES)
_BASES = frozenset(get_args(Basis))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Figure:
    """One figure as published, in kg per unit, for the years from `year` on (None: always)."""

    id: str
    name: str
    unit: str
    basis: Basis
    year: int | None
    data_year: int | None
    co2_kg: float | None
    ch4_kg: float
    n2o_kg: float
    co2e_kg: float | None
    co2_biogenic_kg: float
    gases: tuple[tuple[str, float], ...]
    heat_content: HeatContent | None
    publication: Publication


class Line(NamedTuple):
    """One line of a table as it is there: made a figure when somebody asks for it.

    A tuple, for there are thousands and most commands need none of them.
    """

    publication: Publication
    number: int
    header: tuple[str, ...]
    cells: list[str]

    def cell(self, column: str) -> str:
        """Return what is in a column; empty where the table leaves it out."""
        return self.cells[self.header.index(column)] if column in self.header else ""

    def figure(self) -> Figure:
        """Return the figure.

        :raises FactorDataError: it is wrong; the message names file, line and fault.
        """
        try:
            return _figure(self.publication, dict(zip(self.header, self.cells, strict=True)))
        except (ValueError, UnitError) as error:
            raise FactorDataError(f"{self.publication.id}.csv:{self.number}: {error}") from None


def read_table(publication: Publication) -> Iterator[Line]:
    """Read the lines of a publication's table, in their order.

    :raises FactorDataError: the header is wrong.
    """
    path = DIRECTORY / f"{publication.id}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, strict=True)
        header = tuple(next(lines, []))
        unknown = [name for name in header if name not in _COLUMNS]
        if unknown or header[: len(_NEEDED)] != _NEEDED or len(set(header)) < len(header):
            raise FactorDataError(f"{path.name}: wrong header {', '.join(header)}")
        for cells in lines:
            yield Line(publication, lines.line_num, header, cells)


def _figure(publication: Publication, row: dict[str, str]) -> Figure:
    per = row["unit"]
    unit(per)
    factor = _to_kg(publication, per)
    masses = {name: _number(row.get(name, ""), name, factor) for name in _MASSES}
    if masses["co2"] is None and masses["co2e"] is None:
        raise ValueError("neither co2 nor co2e is given")
    if row["basis"] not in _BASES:
        raise ValueError(f"basis {row['basis']!r} is none of {', '.join(sorted(_BASES))}")
    data_year = int(row["year"]) if row.get("year") else publication.data_year
    if not row["id"] or not row["name"]:
        raise ValueError("id and name are needed")
    return Figure(
        id=row["id"],
        name=row["name"],
        unit=per,
        basis=row["basis"],  # type: ignore[arg-type]  # checked above
        year=None if publication.always else data_year,
        data_year=data_year,
        co2_kg=masses["co2"],
        ch4_kg=masses["ch4"] or 0.0,
        n2o_kg=masses["n2o"] or 0.0,
        co2e_kg=masses["co2e"],
        co2_biogenic_kg=masses["co2_biogenic"] or 0.0,
        gases=read_gases(row.get("gases", "")),
        heat_content=_heat_content(publication, row),
        publication=publication,
    )


def read_gases(text: str) -> tuple[tuple[str, float], ...]:
    """Read `HFC-32=0.5 HFC-125=0.5`, kg of each gas per unit.

    :raises ValueError: there is no such gas, or an amount is no mass.
    """
    gases = []
    for part in text.split():
        gas, _, amount = part.partition("=")
        if gas not in potentials():
            raise ValueError(f"no global warming potential of {gas!r} is known")
        gases.append((gas, _mass(amount, gas)))
    return tuple(gases)


def write_gases(gases: Iterable[tuple[str, float]]) -> str:
    """Write gases as :func:`read_gases` reads them."""
    return " ".join(f"{gas}={amount!r}" for gas, amount in gases)


def _to_kg(publication: Publication, per: str) -> tuple[float, float]:
    """Return by what a mass of the table is multiplied and divided to be kg per `per`."""
    activity = 1.0 if publication.per is None else convert(1.0, publication.per, per)
    in_kg = convert(1.0, "kg", publication.mass)
    if in_kg.is_integer():
        # 59 g are 0.059 kg: a division by a whole number is rounded once
        return 1.0, in_kg * activity
    return convert(1.0, publication.mass, "kg"), activity


def _number(text: str, name: str, factor: tuple[float, float]) -> float | None:
    if not text:
        return None
    return _mass(text, name) * factor[0] / factor[1]


def _mass(text: str, name: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} {text} is no mass")
    return value


def _heat_content(publication: Publication, row: dict[str, str]) -> HeatContent | None:
    if not row.get("heat"):
        return None
    unit(row["heat_unit"])
    heat = float(row["heat"])
    if not (math.isfinite(heat) and heat > 0):
        raise ValueError(f"heat {row['heat']} is no heat content")
    mj = heat if publication.heat == "MJ" else convert(heat, publication.heat, "MJ")
    return HeatContent(mj=mj, unit=row["heat_unit"], citation=publication.citation)
