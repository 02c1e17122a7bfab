"""A CSV of factors is refused whole, with every error named by line."""

from __future__ import annotations

from datetime import UTC, date, datetime

from services.core.facility.factor_file import COLUMNS, read
from services.core.facility.file import FacilityFileError

NOW = datetime(2026, 11, 25, tzinfo=UTC)
HEAD = "id,unit,co2_kg,valid_from,valid_to,known_at,citation\n"


def problems(text: str) -> list[str]:
    try:
        read(text, NOW)
    except FacilityFileError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_cells_become_versions_and_empty_ones_the_defaults() -> None:
    text = "\ufeff" + HEAD + 'grid-x, kWh ,0.3,2026-01-01,,,"Ministry, 2026"\r\n\r\n'
    (row,) = read(text, NOW)
    assert (row.id, row.unit, row.co2_kg, row.ch4_kg, row.citation) == (
        "grid-x", "kWh", 0.3, 0.0, "Ministry, 2026",
    )  # fmt: skip
    assert (row.valid_from, row.valid_to, row.known_at) == (date(2026, 1, 1), None, None)


def test_every_error_is_told_with_its_line() -> None:
    text = HEAD + (
        "grid-x,kWh,0.3,2026-01-01,2026-01-01,,a\n"
        "Grid,kWh,0.3,,,,a\n"
        "grid-x,kWx,much,,,,a\n"
        "grid-y,kWx,0.3,,,,a\n"
        "grid-z,kWh,0.3,,,2027-01-01,a\n"
        "grid-z,kWh,nan,,,,\n"
        "grid-z,kWh,0.3\n"
    )
    found = problems(text)
    assert [line.split(":")[0] for line in found] == [
        "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 7", "line 8",
    ]  # fmt: skip
    assert "valid_to must come after valid_from" in found[0]
    assert "kWx" in found[3]
    assert "future" in found[4]
    assert "3 cells" in found[7]


def test_two_versions_of_one_time_are_refused_unless_they_were_known_at_different_times() -> None:
    one = "grid-x,kWh,0.3,2026-01-01,,{},a\n"
    two = "grid-x,kWh,0.4,2026-06-01,,{},b\n"
    both = HEAD + one + two
    (found,) = problems(both.format("", ""))
    assert found.startswith("line 3: 'grid-x' has two versions")
    assert found.endswith("line 2")
    assert problems(both.format("2026-02-01", "2026-07-01")) == []


def test_a_header_that_lacks_or_invents_columns_is_refused() -> None:
    assert problems("id,unit,co2,citation\n") == [
        "line 1: the column 'co2_kg' is missing",
        f"line 1: there is no column 'co2'; it takes {', '.join(COLUMNS)}",
    ]
    assert {"id", "unit", "co2_kg", "known_at", "uncertainty", "ch4_origin"} <= set(COLUMNS)
    assert problems("") != []
    assert problems(HEAD) == ["line 1: there is no factor in this file"]
    assert problems(HEAD + '"grid-x,kWh') != []
