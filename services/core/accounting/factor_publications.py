"""The publications that built-in factors stand in, and when each is followed by a newer one.

`factor_data/publications.json` names them: publisher, title, year of the data, day of publication,
licence, citation. `via` is who passed a figure on where the publication itself could not be read;
without it the figure was read in the publication.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent / "factor_data"
_REGISTRY = DIRECTORY / "publications.json"


class FactorDataError(ValueError):
    """A file of built-in factors is wrong; the message names the file, the place and the fault."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Series:
    """Publications that follow each other, and their calendar.

    The figure of a data year is followed `successor_years` later, by the end of `successor_month`;
    both are None for figures that hold until they are amended.
    """

    id: str
    publisher: str
    calendar: str
    successor_years: int | None = None
    successor_month: int | None = None

    def successor_expected(self, data_year: int | None) -> date | None:
        """Return the day by which the figure after that of `data_year` is expected."""
        if data_year is None or self.successor_years is None or self.successor_month is None:
            return None
        year = data_year + self.successor_years
        last = calendar.monthrange(year, self.successor_month)[1]
        return date(year, self.successor_month, last)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Publication:
    """One publication, with a table of its figures.

    `always`: its figures hold for every year, not from that of the data on.
    `begins`: month and day on which a year of it begins. `mass`, `per` and `heat` are the units of
    the table's masses, of the activity they are per and of its heat contents, where they are not
    kg, the factor's own unit and MJ.
    """

    id: str
    series: Series
    title: str
    citation: str
    release: str
    licence: str
    published: date | None = None
    data_year: int | None = None
    via: str | None = None
    always: bool = False
    begins: str = "01-01"
    mass: str = "kg"
    per: str | None = None
    heat: str = "MJ"
    note: str | None = None

    @property
    def first_hand(self) -> bool:
        """Whether its figures were read in the publication itself."""
        return self.via is None

    def begin(self, year: int) -> date:
        """Return the first day that a figure of a year is for."""
        return date.fromisoformat(f"{year}-{self.begins}")

    @property
    def known_from(self) -> datetime | None:
        """Since when its figures can be known; None: always."""
        if self.published is None:
            return None
        return datetime.combine(self.published, datetime.min.time(), UTC)


@cache
def publications() -> Mapping[str, Publication]:
    """Read the registry of publications, by id.

    :raises FactorDataError: it is wrong.
    """
    document = json.loads(_REGISTRY.read_text(encoding="utf-8"))
    series = {entry["id"]: _record(Series, entry) for entry in document["series"]}
    by_id: dict[str, Publication] = {}
    for entry in document["publications"]:
        name = entry.get("id", "?")
        if name in by_id:
            raise FactorDataError(f"publications.json: {name} is there twice")
        if entry.get("series") not in series:
            raise FactorDataError(f"publications.json: {name} is of no series")
        published = entry.get("published")
        by_id[name] = _record(
            Publication,
            {
                **entry,
                "series": series[entry["series"]],
                "published": None if published is None else date.fromisoformat(published),
            },
        )
    return by_id


def _record(kind: type[Any], values: dict[str, Any]) -> Any:
    """Build a record; an unknown or missing key is named."""
    try:
        made = kind(**values)
    except TypeError as error:
        raise FactorDataError(f"publications.json: {values.get('id', '?')}: {error}") from None
    empty = [name for name in kind.__slots__ if getattr(made, name) == ""]
    if empty:
        raise FactorDataError(f"publications.json: {made.id}: {empty[0]} is empty")
    return made
