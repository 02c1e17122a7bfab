"""The factors that every facility can use, stored ones and those that the release has beside."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from services.core.accounting.builtin_factors import lines, versions_of
from services.core.accounting.factors import Factor
from services.core.store.registry.shared_factors import every_version


class Place(NamedTuple):
    """Where a version is in the list: by factor, then by its number."""

    factor: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedFactor:
    """One version."""

    place: Place
    factor: Factor
    imported: bool


def factor_versions(
    connection: Connection,
    *,
    names: Collection[str] | None,
    superseded: bool,
    after: Place | None,
    limit: int,
) -> list[ListedFactor]:
    """Read versions by factor and number; ``names``: of these factors only, None: of all.

    ``superseded``: with those that another figure took the place of.
    """
    stored: dict[str, list[tuple[Factor, bool]]] = {}
    for factor, imported in every_version(connection):
        stored.setdefault(factor.id, []).append((factor, imported))
    listed: list[ListedFactor] = []
    for name in sorted({*stored, *lines()}):
        if names is not None and name not in names:
            continue
        if after is not None and name < after.factor:
            continue
        # the registry has the factors that were used; of the others the release tells
        versions = stored.get(name) or [(factor, False) for factor in versions_of(name)]
        for number, (factor, imported) in enumerate(versions, start=1):
            place = Place(name, number)
            if (after is None or place > after) and (superseded or factor.known_to is None):
                listed.append(ListedFactor(place=place, factor=factor, imported=imported))
        if len(listed) >= limit:
            break
    return listed[:limit]
