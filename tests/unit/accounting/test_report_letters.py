"""Letters of PDFs that are not Latin: embedded from a font, or said to be lacking."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont
from pypdf import PdfReader

from services.api.models.emission_report import words_in
from services.core.accounting.emission_report.document import document
from services.core.accounting.emission_report.record import EmissionReport
from services.core.accounting.emission_report.words import Words
from services.core.runtime.report_font import PLACES, report_font
from tests.unit.accounting.test_emission_report import report

#: What the names of the report below have.
LETTERS: Final = "锅炉"
_LACKING: Final = "letters are not embedded"
_SIZE: Final = 1000


def _square(pen: Any) -> Any:
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen


def built(letters: str, *, is_postscript: bool = False, fs_type: int = 0) -> TTFont:
    """Return a font with a square for each letter."""
    names = [".notdef", "space", *(f"uni{ord(letter):04X}" for letter in letters)]
    builder = FontBuilder(_SIZE, isTTF=not is_postscript)
    builder.setupGlyphOrder(names)
    cmap = {0x20: "space", **{ord(c): n for c, n in zip(letters, names[2:], strict=True)}}
    builder.setupCharacterMap(cmap)
    if is_postscript:
        glyphs = {name: _square(T2CharStringPen(_SIZE, None)).getCharString() for name in names}
        builder.setupCFF("Squares", {"FullName": "Squares"}, glyphs, {})
    else:
        builder.setupGlyf({name: _square(TTGlyphPen(None)).glyph() for name in names})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (_SIZE, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2(fsType=fs_type, sTypoAscender=800)
    builder.setupPost()
    return builder.font


def saved(font: TTFont, target: Path) -> Path:
    font.save(target)
    return target


def fonts_of(data: bytes) -> dict[str, bool]:
    """Return the fonts of a PDF, and whether each has its glyphs in the file."""
    fonts: dict[str, bool] = {}
    for page in PdfReader(io.BytesIO(data)).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            stated = font.get_object()
            inner = stated.get("/DescendantFonts", [stated])[0].get_object()
            descriptor = inner.get("/FontDescriptor")
            is_in = descriptor is not None and "/FontFile2" in descriptor.get_object()
            fonts[str(stated["/BaseFont"])] = is_in
    return fonts


def text_of(data: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def named(text: str) -> EmissionReport:
    one = report(1)
    return replace(one, sources=[replace(source, name=text) for source in one.sources])


@pytest.mark.parametrize("is_postscript", [False, True])
def test_letters_are_embedded_from_a_font(tmp_path: Path, *, is_postscript: bool) -> None:
    file = saved(built(LETTERS, is_postscript=is_postscript), tmp_path / "squares.ttf")
    data = document(named(LETTERS), Words(), report_font(file))
    assert [is_in for name, is_in in fonts_of(data).items() if "Squares" in name] == [True]
    assert "STSong-Light" not in fonts_of(data)
    assert LETTERS in text_of(data)
    assert _LACKING not in text_of(data)
    assert document(named(LETTERS), Words(), report_font(file)) == data


def test_of_a_collection_the_font_for_simplified_chinese_is_taken(tmp_path: Path) -> None:
    fonts = TTCollection()
    japanese, chinese = built("鍋"), built(LETTERS)
    for font, name in ((japanese, "Squares CJK JP"), (chinese, "Squares CJK SC")):
        font["name"].setName(name, 4, 3, 1, 0x409)
    fonts.fonts = [japanese, chinese]
    fonts.save(tmp_path / "squares.ttc")
    data = document(named(LETTERS), Words(), report_font(tmp_path / "squares.ttc"))
    assert _LACKING not in text_of(data)


def test_without_a_font_the_document_says_which_letters_may_be_boxes() -> None:
    for words in (Words(), words_in("zh")):
        # a reader without the font would see boxes in place of a warning in Chinese
        data = document(named(LETTERS), words)
        said = text_of(data)
        assert _LACKING in said
        assert "TONNE_REPORT_FONT" in said
        assert fonts_of(data)["/STSong-Light"] is False
    assert "U+7089" in text_of(document(named(LETTERS), Words()))
    german = text_of(document(named(LETTERS), words_in("de")))
    assert "Zeichen sind in dieser Datei nicht eingebettet: U+7089, U+9505." in german


def test_latin_letters_need_no_font() -> None:
    for language in ("en", "de"):
        data = document(named("Kessel für Öl"), words_in(language))
        assert _LACKING not in text_of(data)
        assert all("Helvetica" in name for name in fonts_of(data))


def test_a_letter_that_a_font_lacks_is_named(tmp_path: Path) -> None:
    file = saved(built(LETTERS), tmp_path / "squares.ttf")
    said = text_of(document(named(f"{LETTERS} 龘"), Words(), report_font(file)))
    assert "letters are not embedded in this file: U+9F98." in said


@pytest.mark.parametrize("is_font", [True, False])
def test_a_font_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, *, is_font: bool
) -> None:
    file = tmp_path / "squares.ttf"
    if is_font:
        saved(built(LETTERS, fs_type=2), file)
    else:
        file.write_bytes(b"no font")
    said = text_of(document(named(LETTERS), Words(), report_font(file)))
    assert _LACKING in said
    reason = "may not be embedded" if is_font else "is no font that can be read"
    assert reason in " ".join(said.split())


def test_documents_that_are_written_at_once_have_their_own_letters(tmp_path: Path) -> None:
    file = saved(built("锅炉窑磨"), tmp_path / "squares.ttf")
    names = ["锅", "炉窑", "磨", "窑"] * 2

    def write(name: str) -> bytes:
        return document(named(name), Words(), report_font(file))

    alone = [write(name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, names)) == alone


@pytest.mark.skipif(
    not any(Path(place).is_file() for place in PLACES),
    reason="no Chinese font here: apt-get install fonts-noto-cjk",
)
def test_a_chinese_report_is_embedded_whole_by_the_font_that_is_here() -> None:
    data = document(named(LETTERS), words_in("zh"), report_font(None))
    assert "排放" in text_of(data)
    assert _LACKING not in text_of(data)
    assert "/STSong-Light" not in fonts_of(data)
    # a subset, not the font
    assert len(data) < 500_000
