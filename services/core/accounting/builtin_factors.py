"""Factors that come with tonne: every version of each, read from the tables in `factor_data`.

Each stands in a publication (`factor_publications`) with its citation, none under a licence against
it. They are read when first asked for, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from services.core.accounting.factor_publications import publications
from services.core.accounting.factor_tables import Figure, read_table
from services.core.accounting.factor_timeline import versions
from services.core.accounting.factors import Factor


@cache
def figures() -> Mapping[str, tuple[Figure, ...]]:
    """Read every figure as published, by factor.

    :raises FactorDataError: a table is wrong.
    """
    by_factor: dict[str, list[Figure]] = {}
    for publication in publications().values():
        for figure in read_table(publication):
            by_factor.setdefault(figure.id, []).append(figure)
    return {name: tuple(of_factor) for name, of_factor in by_factor.items()}


@cache
def builtin_factors() -> Mapping[str, tuple[Factor, ...]]:
    """Return every version of every built-in factor, by its id."""
    return {name: tuple(versions(of_factor)) for name, of_factor in figures().items()}


def versions_of(name: str) -> tuple[Factor, ...]:
    """Return the versions of one built-in factor; none if there is no such factor."""
    return builtin_factors().get(name, ())
