"""From published figures to versions in two times."""

from __future__ import annotations

from datetime import UTC, date, datetime

from services.core.accounting.factor_publications import Publication, Series
from services.core.accounting.factor_tables import Figure
from services.core.accounting.factor_timeline import versions
from services.core.accounting.factors import overlaps, version_in_force

SERIES = Series(id="trial", publisher="an agency", calendar="every June")


def figure(year: int, co2_kg: float, published: str | None) -> Figure:
    publication = Publication(
        id=f"trial-{year}", series=SERIES, title="A trial", citation=f"of {year}",
        release="trial", licence="public domain", data_year=year,
        published=None if published is None else date.fromisoformat(published),
    )  # fmt: skip
    return Figure(
        id="grid", name="A grid", unit="kWh", basis="location", year=year,
        data_year=year, co2_kg=co2_kg, ch4_kg=0.0, n2o_kg=0.0, co2e_kg=None, co2_biogenic_kg=0.0,
        gases=(), heat_content=None,
        publication=publication,
    )  # fmt: skip


def co2(figures: list[Figure], day: str, known: str) -> float | None:
    instant = datetime.fromisoformat(known).replace(tzinfo=UTC)
    return version_in_force(versions(figures), date.fromisoformat(day), instant).co2_kg


def test_a_figure_holds_until_the_next_year_is_published() -> None:
    found = [figure(2024, 0.3, "2024-06-11"), figure(2025, 0.2, "2025-06-10")]
    assert co2(found, "2025-03-01", "2025-06-09") == 0.3
    assert co2(found, "2025-03-01", "2025-06-10") == 0.2
    assert co2(found, "2024-12-31", "2026-01-01") == 0.3
    assert co2(found, "2027-01-01", "2027-01-01") == 0.2


def test_the_first_publication_is_known_always() -> None:
    assert co2([figure(2024, 0.3, "2024-06-11")], "2024-03-01", "2024-03-01") == 0.3


def test_a_publication_may_correct_a_year_and_bring_the_next() -> None:
    found = [
        figure(2023, 0.329, "2024-10-25"),
        figure(2023, 0.316, "2025-11-06"),
        figure(2024, 0.291, "2025-11-06"),
    ]
    assert co2(found, "2023-06-01", "2025-11-05") == 0.329
    assert co2(found, "2023-06-01", "2025-11-06") == 0.316
    assert co2(found, "2024-06-01", "2025-11-05") == 0.329
    assert co2(found, "2024-06-01", "2025-11-06") == 0.291
    assert overlaps(list(versions(found))) == []
    assert len(list(versions(found))) == 3


def test_a_year_that_is_published_late_comes_between() -> None:
    found = [
        figure(2021, 0.5, "2022-01-01"),
        figure(2023, 0.3, "2024-01-01"),
        figure(2022, 0.4, "2025-01-01"),
    ]
    assert co2(found, "2022-06-01", "2024-06-01") == 0.5
    assert co2(found, "2022-06-01", "2025-06-01") == 0.4
    assert co2(found, "2023-06-01", "2025-06-01") == 0.3
    assert overlaps(list(versions(found))) == []
