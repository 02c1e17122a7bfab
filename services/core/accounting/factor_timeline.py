"""From the figures of a factor, as they were published, to its versions in two times.

A figure holds from the first day of its year until the next year that a figure is known for. At
each day of publication there is thus one row of figures, by year; a version is what stays the same
in that row from one publication to a later one. A figure published again for the same year ends
the known time of the one before. The first publication is known always: nothing was known earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise

from services.core.accounting.factor_tables import Figure
from services.core.accounting.factors import Factor

_Dated = tuple[Figure, date | None, date | None]


def versions(figures: Sequence[Figure]) -> Iterator[Factor]:
    """Build the versions of one factor from all its figures, in the order they were published."""
    publications = sorted({_since(figure) for figure in figures})
    known: dict[int | None, Figure] = {}
    opened: dict[_Dated, datetime | None] = {}
    for i, since in enumerate(publications):
        known |= {figure.year: figure for figure in figures if _since(figure) == since}
        row = list(_row(known))
        instant = None if i == 0 else since
        for ended in [dated for dated in opened if dated not in row]:
            yield _version(ended, opened.pop(ended), instant)
        for dated in row:
            opened.setdefault(dated, instant)
    for dated, instant in opened.items():
        yield _version(dated, instant, None)


def _since(figure: Figure) -> datetime:
    return figure.publication.known_from or datetime.min.replace(tzinfo=UTC)


def _row(known: dict[int | None, Figure]) -> Iterator[_Dated]:
    """Return each figure with the days it holds."""
    ordered = sorted(known.values(), key=lambda figure: figure.year or 0)
    begins = [f.publication.begin(f.year) if f.year is not None else None for f in ordered]
    for figure, (begin, end) in zip(ordered, pairwise([*begins, None]), strict=True):
        yield figure, begin, end


def _version(dated: _Dated, known_from: datetime | None, known_to: datetime | None) -> Factor:
    figure, begin, end = dated
    return Factor(
        id=figure.id,
        unit=figure.unit,
        co2_kg=figure.co2_kg,
        ch4_kg=figure.ch4_kg,
        n2o_kg=figure.n2o_kg,
        co2_biogenic_kg=figure.co2_biogenic_kg,
        co2e_kg=figure.co2e_kg,
        gases=figure.gases,
        valid_from=begin,
        valid_to=end,
        known_from=known_from,
        known_to=known_to,
        basis=figure.basis,
        data_year=figure.data_year,
        release=figure.publication.release,
        citation=figure.publication.citation,
        heat_content=figure.heat_content,
        publication=figure.publication.id,
        successor_expected=figure.publication.series.successor_expected(figure.year),
    )
