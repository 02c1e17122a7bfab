"""A report as a PDF on A4: typeset, with its heading and page numbers on every page.

Text is Helvetica where Latin is all that it has, and else a Chinese font that every reader knows by
its name, so that nothing has to be embedded. The same record gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import partial
from itertools import groupby
from typing import Any, Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
)

from services.core.accounting.emission_report.heading import Heading, heading
from services.core.accounting.emission_report.record import EmissionReport
from services.core.accounting.emission_report.tables import (
    Cell,
    CellKind,
    Column,
    Table,
    tables,
)
from services.core.accounting.emission_report.words import Words
from services.core.accounting.emission_report.words import marked as _

#: Simplified Chinese; readers have it, or put their own in its place.
_CHINESE: Final = "STSong-Light"
_PAGE: Final = landscape(A4)
_MARGIN: Final = 12 * mm
_HEAD: Final = 12 * mm
_WIDTH: Final = _PAGE[0] - 2 * _MARGIN
_RULE: Final = HexColor("#999999")
_SHADE: Final = HexColor("#EEEEEE")

_CELL: Final = ParagraphStyle(
    "cell", fontName="Helvetica", fontSize=6, leading=7.2, splitLongWords=1
)
_NAME: Final = ParagraphStyle("name", parent=_CELL, fontName="Helvetica-Bold")
_RIGHT: Final = ParagraphStyle("right", parent=_NAME, alignment=2)
_TEXT: Final = ParagraphStyle("text", fontName="Helvetica", fontSize=9, leading=12)
_WARNING: Final = ParagraphStyle("warning", parent=_TEXT, fontName="Helvetica-Bold")
_TITLE: Final = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=15, leading=19)
_SECTION: Final = ParagraphStyle(
    "section", fontName="Helvetica-Bold", fontSize=11, leading=14, spaceBefore=10, spaceAfter=4,
    keepWithNext=1,
)  # fmt: skip

#: Kinds of columns whose cells stand at the right.
_NUMBERS: Final = frozenset({"count", "kg", "share", "number"})
_WORDS: Final = frozenset({"word", "code", "text"})
#: Points that ids and texts need at most; longer ones take several lines.
_WORD: Final = 70.0
_PADDING: Final = 2.0
_SIDES: Final = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")


class _Pages(BaseDocTemplate):  # type: ignore[misc]  # it has no types
    """Pages with a heading; sections become bookmarks."""

    def __init__(self, target: io.BytesIO, title: str, language: str) -> None:
        super().__init__(target, pagesize=_PAGE, title=title, lang=language, invariant=1)
        frame = Frame(
            _MARGIN, _MARGIN, _WIDTH, _PAGE[1] - 2 * _MARGIN - _HEAD, 0, 0, 0, 0, id="page"
        )
        self.addPageTemplates([PageTemplate(frames=[frame], onPage=partial(_running_head, title))])

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - reportlab's name
        """Bookmark a section where it begins."""
        if getattr(flowable, "style", None) is _SECTION:
            key = f"section-{self.page}-{flowable.getPlainText()}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.getPlainText(), key)


class _NumberedCanvas(Canvas):  # type: ignore[misc]  # as above
    """Writes page numbers once it is known how many there are."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._states: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        self._states.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, state in enumerate(self._states, start=1):
            self.__dict__.update(state)
            self.setFont("Helvetica", 8)
            self.drawRightString(_PAGE[0] - _MARGIN, 7 * mm, f"{number} / {len(self._states)}")
            super().showPage()
        super().save()


def document(report: EmissionReport, words: Words) -> bytes:
    """Return the bytes of the PDF; instants are in the facilities' time zone, or in UTC."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CHINESE))
    lines = heading(report, words)
    target = io.BytesIO()
    pages = _Pages(target, lines.title, words.language)
    story = [*_opening(lines, words)]
    for table in tables(report):
        story += _section(table, lines.zone, words)
    pages.build(story, canvasmaker=_NumberedCanvas)
    return target.getvalue()


def _running_head(title: str, canvas: Canvas, _: BaseDocTemplate) -> None:
    paragraph = _paragraph(title, _CELL)
    paragraph.wrap(_WIDTH, _HEAD)
    paragraph.drawOn(canvas, _MARGIN, _PAGE[1] - _MARGIN - paragraph.height + 2 * mm)
    canvas.setStrokeColor(_RULE)
    canvas.line(
        _MARGIN, _PAGE[1] - _MARGIN - 8 * mm, _PAGE[0] - _MARGIN, _PAGE[1] - _MARGIN - 8 * mm
    )


def _opening(lines: Heading, words: Words) -> Iterator[Flowable]:
    yield _paragraph(lines.title, _TITLE)
    yield Spacer(0, 3 * mm)
    facts = [[_paragraph(name, _TEXT), _paragraph(value, _TEXT)] for name, value in lines.facts]
    yield LongTable(facts, [40 * mm, _WIDTH - 40 * mm], hAlign="LEFT")
    yield Spacer(0, 3 * mm)
    for is_warning, text in lines.remarks:
        level = words(_("Warning")) if is_warning else words(_("Note"))
        yield _paragraph(f"{level}: {text}", _WARNING if is_warning else _TEXT)


def _section(table: Table, zone: ZoneInfo, words: Words) -> Iterator[Flowable]:
    """Yield a table with its title, without columns in which no row has anything."""
    yield _paragraph(words(table.layout.title), _SECTION)
    if not table.rows:
        yield _paragraph(words(_("None.")), _TEXT)
        return
    chosen = [
        (index, column)
        for index, column in enumerate(table.layout.columns)
        if any(row[index] is not None for row in table.rows)
    ]
    columns = [column for _, column in chosen]
    texts = [
        [_text(row[index], column.kind, zone, words) for index, column in chosen]
        for row in table.rows
    ]
    widths = _widths(columns, texts, words)
    # rather small than cut off
    scale = min(1.0, _WIDTH / sum(widths))
    cell, name, right = (_scaled(style, scale) for style in (_CELL, _NAME, _RIGHT))
    names = [
        _paragraph(words(column.heading), right if column.kind in _NUMBERS else name)
        for column in columns
    ]
    rows = [
        [
            _paragraph(text, cell) if column.kind in _WORDS else text
            for text, column in zip(row, columns, strict=True)
        ]
        for row in texts
    ]
    is_number = [column.kind in _NUMBERS for column in columns]
    yield LongTable(
        [names, *rows],
        [width * scale for width in widths],
        hAlign="LEFT",
        repeatRows=1,
        splitInRow=1,
        style=[
            ("FONT", (0, 0), (-1, -1), cell.fontName, cell.fontSize, cell.leading),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BACKGROUND", (0, 0), (-1, 0), _SHADE),
            ("LINEBELOW", (0, 0), (-1, -1), 0.25, _RULE),
            *((side, (0, 0), (-1, -1), _PADDING * scale) for side in _SIDES),
            *(("ALIGN", (n, 0), (n, -1), "RIGHT") for n, yes in enumerate(is_number) if yes),
        ],
    )


def _scaled(style: ParagraphStyle, scale: float) -> ParagraphStyle:
    return ParagraphStyle(
        style.name, parent=style, fontSize=style.fontSize * scale, leading=style.leading * scale
    )


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], words: Words) -> list[float]:
    """Return widths in points that leave numbers whole; texts share what is left of the page."""
    widths = []
    for index, column in enumerate(columns):
        name = max(words(column.heading).split(), key=len)
        width = stringWidth(name, _NAME.fontName, _NAME.fontSize)
        longest = max(
            stringWidth(text, _CELL.fontName, _CELL.fontSize) for text in {r[index] for r in rows}
        )
        if column.kind in _WORDS:
            longest = min(longest, _WORD)
        widths.append(max(width, longest) + 2 * _PADDING + 1)
    wide = [index for index, column in enumerate(columns) if column.kind == "text"]
    rest = max(0.0, _WIDTH - sum(widths))
    for index in wide:
        widths[index] += rest / len(wide)
    return widths


def _text(cell: Cell, kind: CellKind, zone: ZoneInfo, words: Words) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return cell.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(cell, str):
        return words(cell) if kind == "code" else cell
    if isinstance(cell, date):
        return cell.isoformat()
    if kind == "share":
        return words.percent(cell)
    return words.number(cell, 3 if kind == "kg" else None)


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """Set a text in the fonts that have its characters, and let long words break."""
    parts = []
    for is_latin, letters in groupby(text, _is_latin):
        part = escape("".join(letters))
        parts.append(part if is_latin else f'<font name="{_CHINESE}">{part}</font>')
    return Paragraph("".join(parts), style)


def _is_latin(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
