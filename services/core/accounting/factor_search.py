"""Find a built-in factor by words: what it is of, where, for which year and in which unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from services.core.accounting.builtin_factors import lines
from services.core.accounting.factor_search_words import (
    ALSO,
    BASES,
    EMPTY,
    PLACES,
    UNITS,
    USUAL,
    Place,
    split,
    words_of_query,
)
from services.core.accounting.factor_tables import Line
from services.core.accounting.units import UnitError, quantity_of

_YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A factor that words lead to; the best has the highest score.

    `note`: what of the question it does not answer, such as a general figure in the place of a
    country's; empty where nothing is to be said.
    """

    id: str
    name: str
    region: str
    publisher: str
    score: int
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Query:
    """What is asked for."""

    words: tuple[str, ...]
    years: frozenset[int]
    #: by region, the places as they were called
    places: Mapping[str, str]
    #: ends of the ids of grids
    grids: Mapping[str, str]
    units: frozenset[str]
    bases: frozenset[str]


def search(text: str) -> list[Match]:
    """Rank the factors that the words lead to, the best first.

    Every word must be met that is no place, year or unit and that any factor meets at all. Factors
    of the place come first, then those of no place, then others; with a year, those that have a
    figure of it; with a unit, those in it.
    """
    query = _query(text)
    points = {name: [_points(word, name) for word in query.words] for name in lines()}
    met = [any(of_words) for of_words in zip(*points.values(), strict=True)]
    if query.words and not any(met):
        return []
    matches = []
    for name, stated in lines().items():
        fits = [fit for fit, known in zip(points[name], met, strict=True) if known]
        if all(fits) and (fits or query.places):
            matches.append((_score(query, name, stated, sum(fits)), name, stated))
    if query.places and not query.words:
        matches = [m for m in matches if m[2][-1].cell("region") in query.places]
    regions = {m[2][-1].cell("region") for m in matches}
    ranked = sorted(matches, key=lambda m: (-m[0], len(m[1]), m[1]))
    return [
        Match(
            id=name,
            name=stated[-1].cell("name"),
            region=stated[-1].cell("region"),
            publisher=stated[-1].publication.series.publisher,
            score=score,
            note=_note(query, name, stated, regions),
        )
        for score, name, stated in ranked
    ]


def unknown_words(text: str) -> list[str]:
    """Return the words of a query that no factor meets; a search leaves them out."""
    return [word for word in _query(text).words if not any(_points(word, name) for name in lines())]


def _query(text: str) -> _Query:
    words = [word for word in words_of_query(text) if word not in EMPTY]
    places: dict[str, str] = {}
    grids: dict[str, str] = {}
    for length in (4, 3, 2, 1):
        start = 0
        while start + length <= len(words):
            named = " ".join(words[start : start + length])
            place = PLACES.get(named) or _regions().get(named)
            if place is None:
                start += 1
                continue
            places.setdefault(place.region, named)
            if place.grid:
                grids[place.grid] = named
            words[start : start + length] = []
    wanted = [word for word in words if not _YEAR.fullmatch(word)]
    units = frozenset(UNITS[word] for word in wanted if word in UNITS)
    left = tuple(dict.fromkeys(w for w in wanted if w not in UNITS and w not in BASES))
    return _Query(
        words=left,
        years=frozenset(int(word) for word in words if _YEAR.fullmatch(word)),
        places=places,
        grids=grids,
        units=units,
        bases=frozenset(word for word in wanted if word in BASES),
    )


@cache
def _regions() -> Mapping[str, Place]:
    """Return the places that tables name: countries, by their names and codes."""
    places = {}
    for stated in lines().values():
        line = stated[-1]
        if line.cell("region") and line.cell("name").startswith("Electricity, "):
            country = line.cell("name").split(", ")[1]
            places[" ".join(split(country))] = Place(line.cell("region"))
            places[line.cell("region").casefold()] = Place(line.cell("region"))
    # codes that are words, and words that are codes
    return {name: place for name, place in places.items() if name not in {"is", "no", "at", "be"}}


@cache
def _spelled(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a factor's id, and of its name."""
    stated = lines()[name][-1]
    parts = tuple(split(name.replace("-", " ")))
    return parts, tuple(split(f"{stated.cell('name')} {ALSO.get(name, '')}"))


def _points(word: str, name: str) -> int:
    """Say how well a word fits a factor; 0: not at all."""
    parts, spelled = _spelled(name)
    if word in (name, parts[0]):
        return 12
    if word in parts:
        return 10
    if word in spelled:
        return 8
    words = (*parts, *spelled)
    if any(part.startswith(word) for part in words):
        return 4
    if any(len(part) > 3 and word.startswith(part) for part in words):
        return 3
    return 1 if len(word) > 3 and word in name else 0


def _score(query: _Query, name: str, stated: Sequence[Line], fits: int) -> int:
    line = stated[-1]
    region = line.cell("region")
    score = fits + (1 if name in USUAL else 0)
    # of a place alone its grid is meant
    if not query.words and name.startswith("grid-"):
        score += 2
    if not query.places:
        score += 1 if region in {"", "US"} else 0
    else:
        score += 9 if region in query.places else 5 if not region else -6
    if any(name.endswith(f"-{grid}") for grid in query.grids):
        score += 6
    years = {cell.cell("year") or str(cell.publication.data_year or "") for cell in stated}
    score += 3 if any(str(year) in years for year in query.years) else 0
    return score + _unit_score(query, line)


def _unit_score(query: _Query, line: Line) -> int:
    score = sum(
        4 if asked == line.cell("unit") else 2 if _has_quantity(asked, line) else 0
        for asked in query.units
    )
    stated = line.cell("basis")
    if query.bases:
        score += 4 if stated in query.bases else -2
    elif "kWh" in query.units and stated == "net":
        # bills of gas are by gross calorific value
        score -= 1
    return score


def _has_quantity(asked: str, line: Line) -> bool:
    """Whether a factor can be counted by a unit: of its own quantity, or of its heat content."""
    for stated in (line.cell("unit"), line.cell("heat_unit")):
        try:
            if stated and quantity_of(stated) == quantity_of(asked):
                return True
        except UnitError:
            continue
    return False


def _note(query: _Query, name: str, stated: Sequence[Line], regions: set[str]) -> str:
    line = stated[-1]
    region = line.cell("region")
    notes = []
    if query.places and region not in query.places:
        asked = ", ".join(_title(place) for place in query.places.values())
        if region:
            notes.append(f"of {region}, not of {asked}")
        else:
            none = "" if regions & set(query.places) else f"; none of {asked} is built in"
            publisher = line.publication.series.publisher
            notes.append(f"a general figure of {publisher} that stands in for {asked}{none}")
    notes += [
        f"the subregion that most of {_title(state)} is in"
        for grid, state in query.grids.items()
        if name.endswith(f"-{grid}")
    ]
    newest = max(int(cell.cell("year") or cell.publication.data_year or 0) for cell in stated)
    late = [year for year in query.years if year > newest]
    if late and newest and not line.publication.always:
        notes.append(f"the figure of {newest} holds in {max(late)} until a newer one is there")
    return "; ".join(notes)


def _title(place: str) -> str:
    return place.title() if len(place) > 2 else place.upper()
