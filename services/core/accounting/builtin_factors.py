"""Factors that come with tonne: every version of each, read from the tables in `factor_data`.

Each is in a publication (`factor_publications`) with its citation, none under a licence against it.
The tables are read when first asked for, and kept; versions are made of a factor when it is asked
for, because a facility uses few of a thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from services.core.accounting.factor_publications import publications
from services.core.accounting.factor_tables import Line, read_table
from services.core.accounting.factor_timeline import versions
from services.core.accounting.factors import Factor


@cache
def lines() -> Mapping[str, tuple[Line, ...]]:
    """Read the lines of every table, by factor.

    :raises FactorDataError: a table's header is wrong.
    """
    by_factor: dict[str, list[Line]] = {}
    for publication in publications().values():
        for line in read_table(publication):
            by_factor.setdefault(line.cells[0], []).append(line)
    return {name: tuple(stated) for name, stated in sorted(by_factor.items())}


def versions_of(name: str) -> tuple[Factor, ...]:
    """Return the versions of one built-in factor; none if there is no such factor.

    :raises FactorDataError: a line of it is wrong.
    """
    # whatever else somebody names is not kept
    return _versions_of(name) if name in lines() else ()


@cache
def _versions_of(name: str) -> tuple[Factor, ...]:
    return tuple(versions([line.figure() for line in lines()[name]]))


@cache
def builtin_factors() -> Mapping[str, tuple[Factor, ...]]:
    """Return every version of every built-in factor, by its id, in alphabetical order."""
    return {name: versions_of(name) for name in lines()}
