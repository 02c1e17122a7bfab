"""The tables of built-in factors are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.core.accounting import factor_tables
from services.core.accounting.factor_publications import (
    FactorDataError,
    Publication,
    Series,
    publications,
)
from services.core.accounting.factor_tables import Figure, read_table

HEADER = "id,name,unit,basis,co2,ch4"
SERIES = Series(id="trial", publisher="an agency", calendar="every June", successor_years=1,
                successor_month=6)  # fmt: skip


def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str, **head: str) -> list[Figure]:
    (tmp_path / "trial.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(factor_tables, "DIRECTORY", tmp_path)
    publication = Publication(
        id="trial", series=SERIES, title="A trial", citation="a trial", release="trial",
        licence="public domain", data_year=2025, **head,
    )  # type: ignore[arg-type]  # fmt: skip
    return [line.figure() for line in read_table(publication)]


def test_masses_are_in_the_units_of_the_publication(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (figure,) = read(
        monkeypatch, tmp_path, HEADER, "grid,A grid,kWh,location,1000,0.5", mass="lb", per="MWh"
    )
    assert figure.co2_kg == pytest.approx(0.45359237, rel=1e-15)
    assert figure.ch4_kg == pytest.approx(0.45359237 / 2000, rel=1e-15)
    assert figure.year == 2025


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("grid,A grid,kWh,location,1", "trial.csv:2: zip() argument 2 is shorter"),
        ("grid,A grid,kWh,location,,1", "neither co2 nor co2e is given"),
        ("grid,A grid,kWh,location,-1,0", "co2 -1 is no mass"),
        ("grid,A grid,kWh,location,inf,0", "co2 inf is no mass"),
        ("grid,A grid,kWh,location,1.2.3,0", "could not convert"),
        ("grid,A grid,parsec,location,1,0", "unknown unit 'parsec'"),
        ("grid,A grid,kWh,everywhere,1,0", "basis 'everywhere' is none of"),
        (",A grid,kWh,location,1,0", "id and name are needed"),
    ],
)
def test_a_wrong_line_is_named_with_its_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, fault: str
) -> None:
    with pytest.raises(FactorDataError, match=r"trial\.csv:2: ") as refused:
        read(monkeypatch, tmp_path, HEADER, line)
    assert fault in str(refused.value)


@pytest.mark.parametrize("header", ["id,name,unit,basis,co2,co2", "id,name,unit,co2", "id,nmae"])
def test_a_wrong_header_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, header: str
) -> None:
    with pytest.raises(FactorDataError, match="wrong header"):
        read(monkeypatch, tmp_path, header)


def test_every_publication_says_whose_it_is_and_under_which_licence() -> None:
    for publication in publications().values():
        assert publication.series.publisher
        assert publication.series.calendar
        assert publication.title
        assert publication.citation
        assert publication.licence
