"""A report as a PDF on A4: typeset, with its heading and page numbers on every page.

Text is Helvetica where Latin is all that it has; other letters are embedded, where there is a font
that has them, and the document says which ones are not. The same record and font give the same
bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
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
from services.core.accounting.emission_report.lettering import (
    EmbeddedFont,
    FontError,
    FontMaker,
    Lettering,
    lettering,
    other_characters,
)
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
#: So many letters of a script without spaces stand on one line of a heading, if there are more.
_IDEOGRAPHS: Final = 4
#: So many letters that are not embedded are named.
_NAMED: Final = 20
#: Languages that Helvetica has all letters of.
_LATIN: Final = frozenset({"de", "en"})
_SIDES: Final = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")


class _Pages(BaseDocTemplate):  # type: ignore[misc]  # it has no types
    """Pages with a heading; sections become bookmarks."""

    def __init__(self, target: io.BytesIO, title: str, language: str, letters: Lettering) -> None:
        super().__init__(target, pagesize=_PAGE, title=title, lang=language, invariant=1)
        frame = Frame(
            _MARGIN, _MARGIN, _WIDTH, _PAGE[1] - 2 * _MARGIN - _HEAD, 0, 0, 0, 0, id="page"
        )
        head = partial(_running_head, letters.markup(title))
        self.addPageTemplates([PageTemplate(frames=[frame], onPage=head)])

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


def document(report: EmissionReport, words: Words, font: FontMaker | None = None) -> bytes:
    """Return the bytes of the PDF; instants are in the facilities' time zone, or in UTC.

    ``font``: makes the font of letters that are not Latin; without it none is embedded.
    """
    lines = heading(report, words)
    sections = [_section(table, lines.zone, words) for table in tables(report)]
    needed = other_characters([*_head_texts(lines, words), *_section_texts(sections)])
    embedded, reason = _embedded(font, needed)
    lacking = needed - embedded.characters if embedded else needed
    target = io.BytesIO()
    with lettering(embedded) as letters:
        pages = _Pages(target, lines.title, words.language, letters)
        story = [*_opening(lines, words, _not_embedded(lacking, reason, words), letters)]
        for section in sections:
            story += _drawn(section, words, letters)
        pages.build(story, canvasmaker=_NumberedCanvas)
    return target.getvalue()


def _running_head(title: str, canvas: Canvas, _: BaseDocTemplate) -> None:
    paragraph = Paragraph(title, _CELL)
    paragraph.wrap(_WIDTH, _HEAD)
    paragraph.drawOn(canvas, _MARGIN, _PAGE[1] - _MARGIN - paragraph.height + 2 * mm)
    canvas.setStrokeColor(_RULE)
    canvas.line(
        _MARGIN, _PAGE[1] - _MARGIN - 8 * mm, _PAGE[0] - _MARGIN, _PAGE[1] - _MARGIN - 8 * mm
    )


def _opening(
    lines: Heading, words: Words, warning: str | None, letters: Lettering
) -> Iterator[Flowable]:
    yield Paragraph(letters.markup(lines.title), _TITLE)
    yield Spacer(0, 3 * mm)
    facts = [[Paragraph(letters.markup(text), _TEXT) for text in fact] for fact in lines.facts]
    yield LongTable(facts, [40 * mm, _WIDTH - 40 * mm], hAlign="LEFT")
    yield Spacer(0, 3 * mm)
    if warning is not None:
        yield Paragraph(letters.markup(warning), _WARNING)
    for is_warning, text in lines.remarks:
        remark = letters.markup(_remark(text, words, is_warning=is_warning))
        yield Paragraph(remark, _WARNING if is_warning else _TEXT)


def _remark(text: str, words: Words, *, is_warning: bool) -> str:
    level = words(_("Warning")) if is_warning else words(_("Note"))
    return words(_("{title}: {detail}"), title=level, detail=text)


def _embedded(font: FontMaker | None, needed: Set[str]) -> tuple[EmbeddedFont | None, str | None]:
    """Return the font of the letters, and why there is none if it cannot be used."""
    if font is None or not needed:
        return None, None
    try:
        return font(needed), None
    except FontError as error:
        return None, str(error)


def _not_embedded(lacking: Set[str], reason: str | None, words: Words) -> str | None:
    """Say which letters a reader may see as boxes; in Latin ones, or nobody could read it."""
    if not lacking:
        return None
    codes = [f"U+{ord(letter):04X}" for letter in sorted(lacking)]
    named = ", ".join([*codes[:_NAMED], *(["\u2026"] if len(codes) > _NAMED else [])])
    text = _(
        "letters are not embedded in this file: {named}. Readers that have no font for them show"
        " boxes or nothing. Install one where reports are written, such as fonts-noto-cjk, or name"
        " it by TONNE_REPORT_FONT."
    )
    latin = words if words.language in _LATIN else Words()
    sentence = _remark(latin(text, named=named), latin, is_warning=True)
    return sentence if reason is None else f"{sentence} {reason}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Section:
    """A table in words, without columns in which no row has anything."""

    title: str
    columns: list[Column]
    names: list[str]
    rows: list[list[str]]


def _section(table: Table, zone: ZoneInfo, words: Words) -> _Section:
    chosen = [
        (index, column)
        for index, column in enumerate(table.layout.columns)
        if any(row[index] is not None for row in table.rows)
    ]
    return _Section(
        title=words(table.layout.title),
        columns=[column for _, column in chosen],
        names=[words(column.heading) for _, column in chosen],
        rows=[
            [_text(row[index], column.kind, zone, words) for index, column in chosen]
            for row in table.rows
        ],
    )


def _head_texts(lines: Heading, words: Words) -> Iterator[str]:
    yield from (lines.title, *(text for fact in lines.facts for text in fact))
    for is_warning, text in lines.remarks:
        yield _remark(text, words, is_warning=is_warning)
    yield words(_("None."))


def _section_texts(sections: Sequence[_Section]) -> Iterator[str]:
    for section in sections:
        yield from (section.title, *section.names, *(text for row in section.rows for text in row))


def _drawn(section: _Section, words: Words, letters: Lettering) -> Iterator[Flowable]:
    """Yield a table with its title."""
    yield Paragraph(letters.markup(section.title), _SECTION)
    if not section.rows:
        yield Paragraph(letters.markup(words(_("None."))), _TEXT)
        return
    columns = section.columns
    widths = _widths(section, letters)
    # rather small than cut off
    scale = min(1.0, _WIDTH / sum(widths))
    cell, name, right = (_scaled(style, scale) for style in (_CELL, _NAME, _RIGHT))
    names = [
        Paragraph(letters.markup(text), right if column.kind in _NUMBERS else name)
        for text, column in zip(section.names, columns, strict=True)
    ]
    rows = [
        [
            Paragraph(letters.markup(text), cell) if column.kind in _WORDS else text
            for text, column in zip(row, columns, strict=True)
        ]
        for row in section.rows
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


def _widths(section: _Section, letters: Lettering) -> list[float]:
    """Return widths in points that leave numbers whole; texts share what is left of the page."""
    widths = []
    columns = section.columns
    for index, column in enumerate(columns):
        width = max(_heading_width(word, letters) for word in section.names[index].split())
        longest = max(
            letters.width(text, _CELL.fontName, _CELL.fontSize)
            for text in {row[index] for row in section.rows}
        )
        if column.kind in _WORDS:
            longest = min(longest, _WORD)
        widths.append(max(width, longest) + 2 * _PADDING + 1)
    wide = [index for index, column in enumerate(columns) if column.kind == "text"]
    rest = max(0.0, _WIDTH - sum(widths))
    for index in wide:
        widths[index] += rest / len(wide)
    return widths


def _heading_width(word: str, letters: Lettering) -> float:
    """Return what a word of a heading needs; ideographs break anywhere, two would look torn."""
    width = letters.width(word, _NAME.fontName, _NAME.fontSize)
    return min(width, _IDEOGRAPHS * _NAME.fontSize) if other_characters([word]) else width


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
