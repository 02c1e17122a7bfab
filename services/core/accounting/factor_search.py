"""Find a built-in factor by words: what it is of, where, and for which year."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from services.core.accounting.builtin_factors import lines
from services.core.accounting.factor_tables import Line

#: Words that people use for what publishers call otherwise.
_SAME = {
    "petrol": "gasoline",
    "power": "electricity",
    "grid": "electricity",
    "vehicle": "transport",
    "fridge": "refrigerant",
    "cooling": "refrigerant",
    "wtt": "tank",
    "uk": "gb",
    "england": "gb",
    "britain": "gb",
    "usa": "us",
    "america": "us",
    "europe": "eu",
    "holland": "nl",
    "korea": "kr",
    "russia": "ru",
    "turkey": "tr",
}
#: Words that say nothing of a factor.
_EMPTY = frozenset({"the", "of", "in", "for", "and", "factor", "emission", "co2", "kg", "great"})
_YEAR = re.compile(r"(19|20)\d\d")


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A factor that words lead to; the best has the highest score."""

    id: str
    name: str
    region: str
    publisher: str
    score: int


def search(text: str) -> list[Match]:
    """Rank the factors that the words lead to, the best first.

    All words that are neither a place nor a year must be met. Factors of the place come first, then
    those of no place, then others; with a year, those that have a figure of it.
    """
    words = [_SAME.get(word, word) for word in _split(text) if word not in _EMPTY]
    years = {int(word) for word in words if _YEAR.fullmatch(word)}
    regions = _regions_in(words)
    wanted = [w for w in words if not _YEAR.fullmatch(w) and w not in _named(regions, words)]
    matches = []
    for name, stated in lines().items():
        points = [_points(word, name, stated[-1]) for word in wanted]
        if all(points) and (points or regions):
            # of a place alone its grid is meant
            grid = 2 if not wanted and name.startswith("grid-") else 0
            score = grid + sum(points) + _place(regions, stated[-1]) + _time(years, stated)
            matches.append(_match(name, stated[-1], score))
    if regions and not wanted:
        matches = [match for match in matches if match.region in regions]
    return sorted(matches, key=lambda match: (-match.score, len(match.id), match.id))


def _split(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+(?:\.[0-9]+)?", text.casefold())


@cache
def _places() -> Mapping[str, str]:
    """Return the region of each place by the words of its name, joined."""
    places = {}
    for stated in lines().values():
        line = stated[-1]
        if line.cell("region") and line.cell("name").startswith("Electricity, "):
            country = line.cell("name").split(", ")[1]
            places[" ".join(_split(country))] = line.cell("region")
            places[line.cell("region").casefold()] = line.cell("region")
    return places


def _regions_in(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the regions that words name, each with the words that do."""
    regions: dict[str, tuple[str, ...]] = {}
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length + 1):
            named = tuple(words[start : start + length])
            region = _places().get(" ".join(named))
            if region is not None:
                regions.setdefault(region, named)
    return regions


def _named(regions: Mapping[str, Sequence[str]], words: Sequence[str]) -> set[str]:
    return {word for named in regions.values() for word in named if word in words}


def _points(word: str, name: str, line: Line) -> int:
    """Say how well a word fits a factor; 0: not at all."""
    parts = [_SAME.get(part, part) for part in name.split("-")]
    if word in (name, parts[0]):
        return 12
    if word in parts:
        return 10
    spelled = [_SAME.get(part, part) for part in _split(line.cell("name"))]
    if word in spelled:
        return 8
    if any(part.startswith(word) for part in (*parts, *spelled)):
        return 4
    return 1 if len(word) > 3 and word in name else 0


def _place(regions: Mapping[str, object], line: Line) -> int:
    region = line.cell("region")
    if not regions:
        return 1 if region in {"", "US"} else 0
    if region in regions:
        return 9
    return 5 if not region else -6


def _time(years: set[int], stated: Sequence[Line]) -> int:
    of_years = {line.cell("year") or str(line.publication.data_year or "") for line in stated}
    return 3 if any(str(year) in of_years for year in years) else 0


def _match(name: str, line: Line, score: int) -> Match:
    return Match(
        id=name,
        name=line.cell("name"),
        region=line.cell("region"),
        publisher=line.publication.series.publisher,
        score=score,
    )
