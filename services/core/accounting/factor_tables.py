"""Read the tables of built-in factors: one CSV for each publication, a figure a line.

Columns: `id`, `name` (plain words), `region` (ISO 3166; empty: everywhere), `unit`, `basis`, and
the masses `co2`, `ch4`, `n2o`, `co2e` and `co2_biogenic` per unit. `co2` is empty where only CO2e
is published, `co2e` where the gases are. `year` is the year of the figure where it is not that of
the publication, `heat` and `heat_unit` the heat in one unit of fuel. A table may leave columns out.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from services.core.accounting.factor_publications import (
    DIRECTORY,
    FactorDataError,
    Publication,
)
from services.core.accounting.factors import Basis, HeatContent
from services.core.accounting.units import UnitError, convert, unit

_MASSES = ("co2", "ch4", "n2o", "co2e")
_NEEDED = ("id", "name", "unit", "basis")
_COLUMNS = (*_NEEDED, "region", "year", "heat", "heat_unit", *_MASSES)
_BASES = frozenset(get_args(Basis))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Figure:
    """One figure as published, in kg per unit, for the years from `year` on (None: always)."""

    id: str
    name: str
    region: str
    unit: str
    basis: Basis
    year: int | None
    data_year: int | None
    co2_kg: float | None
    ch4_kg: float
    n2o_kg: float
    co2e_kg: float | None
    heat_content: HeatContent | None
    publication: Publication


def read_table(publication: Publication) -> Iterator[Figure]:
    """Read the figures of a publication, in the order of its table.

    :raises FactorDataError: the table is wrong; the message names file, line and column.
    """
    path = DIRECTORY / f"{publication.id}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, strict=True)
        header = next(lines, [])
        unknown = [name for name in header if name not in _COLUMNS]
        missing = [name for name in _NEEDED if name not in header]
        if unknown or missing or len(set(header)) < len(header):
            raise FactorDataError(f"{path.name}: wrong header {', '.join(header)}")
        for cells in lines:
            if len(cells) != len(header):
                raise FactorDataError(f"{path.name}:{lines.line_num}: {len(cells)} cells")
            try:
                yield _figure(publication, dict(zip(header, cells, strict=True)))
            except (ValueError, UnitError) as error:
                raise FactorDataError(f"{path.name}:{lines.line_num}: {error}") from None


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
        region=row.get("region", ""),
        unit=per,
        basis=row["basis"],  # type: ignore[arg-type]  # checked above
        year=None if publication.always else data_year,
        data_year=data_year,
        co2_kg=masses["co2"],
        ch4_kg=masses["ch4"] or 0.0,
        n2o_kg=masses["n2o"] or 0.0,
        co2e_kg=masses["co2e"],
        heat_content=_heat_content(publication, row),
        publication=publication,
    )


def _to_kg(publication: Publication, per: str) -> tuple[float, float]:
    """Return by what a mass of the table is multiplied and divided to be kg per `per`."""
    mass = 1.0 if publication.mass == "kg" else convert(1.0, publication.mass, "kg")
    return mass, 1.0 if publication.per is None else convert(1.0, publication.per, per)


def _number(text: str, name: str, factor: tuple[float, float]) -> float | None:
    if not text:
        return None
    value = float(text) * factor[0] / factor[1]
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
