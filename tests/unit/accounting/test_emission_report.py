"""Workbooks and PDFs of reports, read back: figures, long names, formulas, the same bytes."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader

from services.core.accounting.emission_report.document import document
from services.core.accounting.emission_report.period import Period, parse
from services.core.accounting.emission_report.record import (
    EmissionReport,
    Figures,
    Masses,
    Method,
    ReportedFacility,
    SourceTotal,
    Total,
    UsedFactor,
)
from services.core.accounting.emission_report.words import Words
from services.core.accounting.emission_report.workbook import workbook

BEGINS, ENDS = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
KNOWN_AT = datetime(2026, 11, 3, 6, 30, tzinfo=UTC)
LONG_NAME = ("Überschusskessel mit Abgasreinigung 锅炉 " * 6)[:199]


def figures(co2_ug: int | None) -> Figures:
    return Figures(
        masses=None
        if co2_ug is None
        else Masses(co2_ug=co2_ug, co2e_ug=co2_ug + 1, market_based_ug=co2_ug, biogenic_ug=0),
        low_kg=None,
        high_kg=None,
        coverage=0.9,
        measured=0.9,
        substituted=0.0,
        estimated=0.0,
        missing=0.1,
        quality="partial",
        is_final=True,
    )


def source(number: int) -> SourceTotal:
    return SourceTotal(
        facility="works",
        id=f"source-{number}",
        name=LONG_NAME,
        scope=1,
        standing="counts",
        activity=None,
        activity_unit=None,
        voided_hours=0,
        unknown=None,
        stale_factor=None,
        figures=figures(number * 1_000_000_001 if number else None),
    )


def report(sources: int) -> EmissionReport:
    totals = [source(number) for number in range(sources)]
    whole = sum(s.figures.masses.co2_ug for s in totals if s.figures.masses)
    return EmissionReport(
        period=parse("2026-10"),
        subject="works",
        name="=Werk Nord & Süd",
        known_at=KNOWN_AT,
        since=None,
        facilities=[
            ReportedFacility(
                id="works",
                name="=Werk Nord & Süd",
                timezone="Europe/Vienna",
                begins=BEGINS,
                ends=ENDS,
                retired_at=None,
                configured_at=KNOWN_AT - timedelta(days=90),
                configuration="ab" * 32,
            )
        ],
        totals=[Total(facility="works", scope=None, sources=sources, figures=figures(whole))],
        months=[],
        sources=totals,
        beside=[],
        rules=[],
        methods=[
            Method(
                facility="works",
                source="source-0",
                method="activity",
                equation=None,
                citation=None,
                factor="f",
                market_factor=None,
                gwp="AR6",
                validity=None,
                substitution=None,
                channels="meter.import",
            )
        ],
        factors=[
            UsedFactor(
                facility="works",
                id="f",
                sources="source-0",
                unit="kWh",
                co2_kg=0.2,
                co2e_kg=None,
                biogenic_kg=0.0,
                uncertainty_percent=None,
                valid_from=date(2026, 1, 1),
                valid_to=None,
                known_from=KNOWN_AT,
                data_year=2025,
                release="own",
                citation="@SUM(A1)",
            )
        ],
        restatements=[],
    )


def pages(data: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]


def test_a_workbook_has_numbers_days_and_no_formula() -> None:
    data = workbook(report(3), Words())
    book = openpyxl.load_workbook(io.BytesIO(data))
    sheet: Any = book["Sources"]
    head, *rows = sheet.iter_rows(values_only=True)
    masses = [row[head.index("CO2 (kg)")] for row in rows]
    assert masses == [None, 1.000000001, 2.000000002]
    assert sheet.freeze_panes == "C2"
    assert sheet.print_title_rows == "$1:$1"
    factors: Any = book["Factors"]
    head, row = factors.iter_rows(values_only=True)
    assert row[head.index("Valid from")] == datetime(2026, 1, 1)  # noqa: DTZ001 - a day
    assert row[head.index("Known from (Europe/Vienna)")] == datetime(2026, 11, 3, 7, 30)  # noqa: DTZ001 - as sheets have it
    kinds = {cell.data_type for sheet in book for cells in sheet.iter_rows() for cell in cells}
    assert "f" not in kinds
    assert book["Report"]["B3"].value == "=Werk Nord & Süd (works)"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0.0, "0"), (5.61e-8, "0.0000000561"), (-1.23456789e-5, "-0.0000123457"),
        (0.2, "0.2"), (0.123456789, "0.123457"), (1234.5678901, "1,234.56789"),
    ],
)  # fmt: skip
def test_only_zero_is_written_as_zero(number: float, written: str) -> None:
    assert Words().number(number, None) == written


def test_a_small_factor_is_shown_in_a_workbook() -> None:
    record = report(1)
    (factor,) = record.factors
    small = replace(record, factors=[replace(factor, co2_kg=5.61e-8)])
    sheet: Any = openpyxl.load_workbook(io.BytesIO(workbook(small, Words())))["Factors"]
    head = next(sheet.iter_rows(values_only=True))
    cell = sheet.cell(2, head.index("kg CO2") + 1)
    # a number of decimals would show it as 0
    assert (cell.value, cell.number_format) == (5.61e-8, "General")
    assert "0.0000000561" in "".join(pages(document(small, Words())))


def test_the_same_record_gives_the_same_bytes() -> None:
    for write in (workbook, document):
        assert write(report(2), Words()) == write(report(2), Words())


@pytest.mark.thorough
def test_a_pdf_of_many_sources_with_long_names_leaves_nothing_out() -> None:
    data = document(report(200), Words())
    reader = PdfReader(io.BytesIO(data))
    texts = pages(data)
    assert len(texts) > 5
    assert reader.metadata is not None
    assert reader.metadata.title == "Emissions of =Werk Nord & Süd, 2026-10"
    whole = "".join("".join(texts).split())
    assert whole.count("".join(LONG_NAME.split())) == 200
    for number in (1, 57, 199):
        assert f"source-{number}" in whole
        assert f"{number}.000" in whole
    for number, text in enumerate(texts, start=1):
        assert "2026-10" in text
        assert f"{number} / {len(texts)}" in text
    # each page that goes on with the table repeats its heading
    assert all("Biogenic" in "".join(text.split()) for text in texts[2:5])
    titles = [item.title for item in reader.outline if not isinstance(item, list)]
    assert titles[:2] == ["Totals", "Sources"]


@pytest.mark.parametrize(
    ("text", "months", "first"), [("2026-10", 1, 10), ("2026-q3", 3, 7), ("2026", 12, 1)]
)
def test_periods_are_read_as_they_are_written(text: str, months: int, first: int) -> None:
    period = parse(text)
    assert (period.months, period.first_month, str(period)) == (months, first, text.upper())


@pytest.mark.parametrize("text", ["", "2026-13", "2026-Q5", "26-10", "2300", "2026-10-01"])
def test_what_is_no_period_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="2026-Q3"):
        parse(text)


def test_a_report_without_facilities_is_written_too() -> None:
    empty = replace(
        report(0),
        facilities=[], totals=[], methods=[], factors=[],
        period=Period(kind="year", year=2026, first_month=1),
    )  # fmt: skip
    assert document(empty, Words())
    assert workbook(empty, Words())
