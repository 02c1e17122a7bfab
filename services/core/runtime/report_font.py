"""The font of Chinese and other letters in PDFs: found on this machine, cut to what is needed.

Reports embed its glyphs. Outlines of PostScript (Noto Sans CJK) are turned into those of TrueType,
which ReportLab can embed; the same characters of the same font give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from services.core.accounting.emission_report.lettering import EmbeddedFont, FontError, FontMaker

if TYPE_CHECKING:
    from fontTools.subset import Options
    from fontTools.ttLib import TTFont

#: Where distributions put fonts that have Chinese, those with the most characters first.
PLACES: Final = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",  # Debian, Ubuntu
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",  # Arch, Alpine
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",  # Fedora
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
)
#: Of a collection, the font for simplified Chinese.
_SIMPLIFIED: Final = "CJK SC"
#: OS/2 fsType: the licence lets nobody embed it; only as pictures of letters.
_NOT_EMBEDDED: Final = 0x0002 | 0x0200
#: How far a curve may be off, in thousandths of the letter's size.
_MOST_OFF: Final = 1.0
_COLLECTION: Final = b"ttcf"


def report_font(chosen: Path | None) -> FontMaker:
    """Return what makes the font of a document: of the chosen file, or of one that is here.

    :raises FontError: when that is called: the file is no font, or may not be embedded.
    """

    def make(characters: Set[str]) -> EmbeddedFont | None:
        file = chosen or next((path for path in map(Path, PLACES) if path.is_file()), None)
        return None if file is None else _cut(file, characters)

    return make


def _cut(file: Path, characters: Set[str]) -> EmbeddedFont:
    # a fifth of a second to load, which only such documents need
    from fontTools.subset import Options, Subsetter  # noqa: PLC0415
    from fontTools.ttLib import TTFont, TTLibError  # noqa: PLC0415

    try:
        with file.open("rb") as stream:
            font = TTFont(stream, fontNumber=_number(stream), recalcTimestamp=False, lazy=True)
            if "OS/2" in font and font["OS/2"].fsType & _NOT_EMBEDDED:
                raise FontError(f"{file} says that it may not be embedded; name another font")
            has = frozenset(c for c in characters if ord(c) in font.getBestCmap())
            subsetter = Subsetter(_options(Options))
            # ReportLab asks each font for a space
            subsetter.populate(unicodes=sorted({0x20, *map(ord, has)}))
            subsetter.subset(font)
            if "glyf" not in font:
                _to_truetype(font)
            target = io.BytesIO()
            font.save(target)
    except (OSError, TTLibError) as error:
        raise FontError(f"{file} is no font that can be read: {error}") from None
    return EmbeddedFont(data=target.getvalue(), characters=has)


def _options(options: type[Options]) -> Options:
    chosen = options(
        layout_features=[], hinting=False, notdef_outline=True, name_IDs=[1, 2, 4, 6],
        recalc_timestamp=False,
    )  # fmt: skip
    chosen.drop_tables += ["BASE", "VORG", "vhea", "vmtx", "FFTM"]
    return chosen


def _number(stream: BinaryIO) -> int:
    """Return which font of a collection to take; of a font that stands alone, the first."""
    from fontTools.ttLib import TTCollection  # noqa: PLC0415 - as above

    is_collection = stream.read(4) == _COLLECTION
    stream.seek(0)
    if not is_collection:
        return 0
    names = [font["name"].getDebugName(4) or "" for font in TTCollection(stream, lazy=True)]
    stream.seek(0)
    return next((n for n, name in enumerate(names) if _SIMPLIFIED in name), 0)


def _to_truetype(font: TTFont) -> None:
    """Draw each glyph anew with the curves of TrueType."""
    from fontTools.pens.cu2quPen import Cu2QuPen  # noqa: PLC0415 - as above
    from fontTools.pens.ttGlyphPen import TTGlyphPen  # noqa: PLC0415
    from fontTools.ttLib import newTable  # noqa: PLC0415

    drawn, order = font.getGlyphSet(), font.getGlyphOrder()
    glyphs = {}
    for name in order:
        pen = TTGlyphPen(None)
        most_off = _MOST_OFF * font["head"].unitsPerEm / 1000
        drawn[name].draw(Cu2QuPen(pen, most_off, reverse_direction=True))
        glyphs[name] = pen.glyph()
    table = newTable("glyf")
    table.glyphs, table.glyphOrder = glyphs, order
    font["loca"], font["glyf"] = newTable("loca"), table
    for name, glyph in glyphs.items():
        glyph.recalcBounds(table)
        advance, _ = font["hmtx"][name]
        font["hmtx"][name] = advance, getattr(glyph, "xMin", 0)
    for postscript in {"CFF ", "CFF2"} & set(font.keys()):
        del font[postscript]
    sizes = font["maxp"]
    sizes.tableVersion = 0x00010000
    sizes.maxZones = 1
    for size in ("Points", "Contours", "CompositePoints", "CompositeContours", "TwilightPoints",
                 "Storage", "FunctionDefs", "InstructionDefs", "StackElements",
                 "SizeOfInstructions", "ComponentElements", "ComponentDepth"):  # fmt: skip
        setattr(sizes, f"max{size}", 0)
    font["post"].formatType = 3.0
    font.sfntVersion = "\x00\x01\x00\x00"
