"""Factor rows of the registry to accounting's records and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from services.core.accounting.factor_tables import read_gases, write_gases
from services.core.accounting.factors import Factor, HeatContent
from services.core.accounting.hourly_factors import MEANS
from services.core.store.schema import tables
from services.core.store.schema.column_names import column_names

_COLUMNS = (
    "unit",
    "basis",
    "co2_kg",
    "ch4_kg",
    "n2o_kg",
    "co2_biogenic_kg",
    "co2e_kg",
    "ch4_origin",
    "valid_from",
    "valid_to",
    "data_year",
    "release",
    "citation",
    "density_kg_m3",
)

#: What makes one version of a factor: rows that agree in all of it are the same version.
FIGURES = (
    *_COLUMNS,
    "heat_content_mj",
    "heat_content_unit",
    "heat_content_citation",
    "uncertainty_percent",
    "gases",
    "fallback",
)

#: What is said of a version beside its figures; it may change while the version stays the same.
NOTES = ("publication", "successor_expected")


def to_row(factor: Factor) -> dict[str, Any]:
    """Return the figures of a factor by column; known-at time and facility are the caller's."""
    content = factor.heat_content
    return {
        **{name: getattr(factor, name) for name in _COLUMNS},
        "heat_content_mj": content.mj if content else None,
        "heat_content_unit": content.unit if content else None,
        "heat_content_citation": content.citation if content else None,
        "uncertainty_percent": factor.uncertainty,
        "gases": write_gases(factor.gases),
        "fallback": None if factor.fallback is None else " ".join(factor.fallback),
        **notes(factor),
    }


def notes(factor: Factor) -> dict[str, Any]:
    """Return what is said of a version beside its figures, by column."""
    return {name: getattr(factor, name) for name in NOTES}


def figures(factor: Factor) -> tuple[Any, ...]:
    """Return what makes a version of a factor, as :func:`stored_figures` has it."""
    row = to_row(factor)
    return tuple(row[name] for name in FIGURES)


def stored_figures(row: Any) -> tuple[Any, ...]:
    """Return what makes a version of a factor, of its row."""
    return tuple(getattr(row, name) for name in FIGURES)


def from_row(row: Mapping[str, Any]) -> Factor:
    """Return the record of a row of the table ``factor``."""
    content = None
    if row["heat_content_mj"] is not None:
        content = HeatContent(
            mj=row["heat_content_mj"],
            unit=row["heat_content_unit"],
            citation=row["heat_content_citation"],
        )
    return Factor(
        id=row["slug"],
        **{name: row[name] for name in _COLUMNS},
        uncertainty=row["uncertainty_percent"],
        gases=read_gases(row["gases"]),
        fallback=None if row["fallback"] is None else tuple(row["fallback"].split()),
        series_id=row["series_id"],
        **{name: row[name] for name in NOTES},
        known_from=row["known_from"],
        known_to=row["known_to"],
        heat_content=content,
    )


_VERSIONS: LiteralString = f"""
SELECT {column_names(tables.factor, "factor")} FROM factor
WHERE slug = ANY(%(slugs)s) AND (facility_id = %(facility)s OR facility_id IS NULL)
  AND CASE WHEN %(as_of)s::timestamptz IS NULL THEN known_to IS NULL
      ELSE known_from <= %(as_of)s AND (known_to IS NULL OR known_to > %(as_of)s) END
ORDER BY slug, facility_id NULLS LAST, valid_from NULLS FIRST
"""  # noqa: S608 - names of the schema


def in_force(
    connection: psycopg.Connection[Any],
    facility_id: int,
    slugs: Sequence[str],
    as_of: datetime | None = None,
) -> dict[str, list[tuple[int, Factor]]]:
    """Read row id and record of every version in force of the factors a facility may use, by slug.

    A facility's own factor hides the built-in one of the same name. ``as_of``: as known then.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_VERSIONS, {"slugs": list(slugs), "facility": facility_id, "as_of": as_of})
        rows = cursor.fetchall()
    overridden = {row["slug"] for row in rows if row["facility_id"] is not None}
    versions: dict[str, list[tuple[int, Factor]]] = {}
    for row in rows:
        if row["facility_id"] is None and row["slug"] in overridden:
            continue
        versions.setdefault(row["slug"], []).append((row["id"], from_row(row)))
    return versions


def fallbacks(versions: Mapping[str, Iterable[tuple[int, Factor]]]) -> set[str]:
    """Return the factors that series among the versions fall back to."""
    return {
        name
        for of_factor in versions.values()
        for _, version in of_factor
        for name in fallbacks_of(version)
    }


def fallbacks_of(factor: Factor) -> list[str]:
    """Return the factors that a series falls back to, in order."""
    return [name for name in factor.fallback or () if name not in MEANS]
