"""The body of a report of emissions: its tables as JSON and CSV, as the layouts have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, create_model

from services.api.http import csv_lines
from services.api.http.columns import Cells
from services.api.http.columns import Table as ColumnTable
from services.api.languages.catalogues import Texts
from services.api.models.answer import Answer
from services.core.accounting.emission_report.record import EmissionReport
from services.core.accounting.emission_report.remarks import remarks
from services.core.accounting.emission_report.tables import (
    LAYOUTS,
    CellKind,
    Column,
    Layout,
    Table,
    table,
    tables,
)
from services.core.accounting.emission_report.words import Words

#: What a column of each kind is in JSON.
_TYPES: Final[Mapping[CellKind, type]] = {
    "word": str,
    "code": str,
    "text": str,
    "count": int,
    "kg": float,
    "share": float,
    "number": float,
    "instant": datetime,
    "day": date,
}


TableName = Literal[
    "totals", "sources", "months", "removals", "rules", "methods", "factors", "restatements",
    "facilities",
]  # fmt: skip


def _field(column: Column) -> tuple[Any, Any]:
    annotation: Any = _TYPES[column.kind]
    description = column.heading
    if column.null is not None:
        annotation = annotation | None
        description += f"; `null`: {column.null}"
    return annotation, Field(description=description)


def _row(layout: Layout) -> type[Answer]:
    fields: dict[str, Any] = {column.key: _field(column) for column in layout.columns}
    return create_model(
        f"Report{layout.key.capitalize()}",
        __base__=Answer,
        __doc__=f"A row of the table {layout.title} of a report.",
        **fields,
    )


class ReportRemark(Answer):
    """What a report says in a sentence."""

    level: Literal["warning", "note"] = Field(
        examples=["warning"], description="a warning changes how figures are to be read"
    )
    text: str = Field(examples=["All hours of the period are final."])


class ReportHeading(Answer):
    """What a report is of, and as known when."""

    period: str = Field(examples=["2026-10"])
    subject: str | None = Field(
        examples=["linz"], description="facility or organisation; `null`: all facilities"
    )
    name: str | None = Field(examples=["Linz works"], description="`null`: as `subject`")
    known_at: datetime = Field(
        examples=["2026-11-23T18:00:00Z"], description="the instant as of which it is told"
    )
    restated_since: datetime | None = Field(
        examples=[None],
        description="restatements are those since then; `null`: since the period was over",
    )
    state: Literal["provisional", "final"] = Field(
        examples=["final"], description="final: the period is over, and so are all of its hours"
    )
    remarks: list[ReportRemark]


_TABLES: dict[str, Any] = {
    layout.key: (list[_row(layout)], Field(description=f"Table {layout.title}."))  # type: ignore[misc]
    for layout in LAYOUTS
}

EmissionReportBody = create_model(
    "EmissionReport",
    __base__=ReportHeading,
    __doc__="Emissions of a month, quarter or year.",
    **_TABLES,
)


def words_in(language: str) -> Words:
    """Return the words of reports in a language."""
    return Words(language, Texts(language).gettext)


def json_body(report: EmissionReport, words: Words) -> dict[str, Any]:
    """Return the body as JSON has it; datetimes and days are still such."""
    return {
        "period": str(report.period),
        "subject": report.subject,
        "name": report.name,
        "known_at": report.known_at,
        "restated_since": report.since,
        "state": "final" if report.is_final else "provisional",
        "remarks": [
            {"level": remark.level, "text": words(remark.text, **remark.values)}
            for remark in remarks(report)
        ],
        **{
            part.layout.key: [
                dict(zip((c.key for c in part.layout.columns), row, strict=True))
                for row in part.rows
            ]
            for part in tables(report)
        },
    }


def file_name(report: EmissionReport, ending: str) -> str:
    """Return the name of a report's file, such as ``linz-2026-10.pdf``."""
    return f"{report.subject or 'emissions'}-{report.period}.{ending}"


def file_of(
    report: EmissionReport, form: str, name: TableName, words: Words, font: Path | None
) -> bytes:
    """Return a report as a file: ``xlsx``, ``pdf``, or the table of that name as ``csv``.

    ``font``: the file of the font that a PDF embeds; None: one that is on this machine.
    """
    # both libraries take a tenth of a second to load, which no other answer needs
    if form == "xlsx":
        from services.core.accounting.emission_report.workbook import (  # noqa: PLC0415 - as above
            workbook,
        )

        return workbook(report, words)
    if form == "pdf":
        from services.core.accounting.emission_report.document import (  # noqa: PLC0415 - as above
            document,
        )
        from services.core.runtime.report_font import report_font  # noqa: PLC0415 - as above

        return document(report, words, report_font(font))
    return _csv(table(report, next(layout for layout in LAYOUTS if layout.key == name)))


def _csv(shown: Table) -> bytes:
    """Return a table as CSV: a line of the columns' keys, then a line for each row."""
    columns = shown.layout.columns
    cells = {
        column.key: Cells([row[index] for row in shown.rows])
        for index, column in enumerate(columns)
    }
    return (csv_lines.header(cells) + csv_lines.lines(ColumnTable(cells))).encode()
