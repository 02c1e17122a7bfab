"""The letters of a PDF: Helvetica for Latin ones, for others a font that is embedded.

Where there is no such font, or it has no glyph, a Chinese one stands in that readers know by its
name: some have it, others show boxes. Whoever writes the document has to say so.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont

#: Simplified Chinese, not embedded.
_STAND_IN: Final = "STSong-Light"
#: What a document's own font is called while it is written.
_EMBEDDED: Final = "ReportLetters"
#: ReportLab has one table of fonts for the process: one document after the other has its own there.
_FONTS: Final = threading.Lock()


class FontError(ValueError):
    """A font cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedFont:
    """A font of TrueType outlines with the glyphs that a document needs."""

    data: bytes
    #: the characters that it has a glyph for, of those that were asked for
    characters: frozenset[str]


#: Makes a font for characters; None: there is none on this machine. Raises FontError.
FontMaker = Callable[[Set[str]], EmbeddedFont | None]


def other_characters(texts: Iterable[str]) -> frozenset[str]:
    """Return the characters of texts that Helvetica of every reader lacks."""
    return frozenset(c for text in texts for c in text if c.isprintable() and not _is_latin(c))


class Lettering:
    """Sets texts in the fonts that have their characters."""

    def __init__(self, embedded: Set[str]) -> None:
        """``embedded``: characters of the font that is embedded."""
        self._embedded = embedded

    def markup(self, text: str) -> str:
        """Return a text as ReportLab's paragraphs take it."""
        return "".join(
            part if font is None else f'<font name="{font}">{part}</font>'
            for font, part in (
                (font, escape("".join(letters))) for font, letters in groupby(text, self._font_of)
            )
        )

    def width(self, text: str, name: str, size: float) -> float:
        """Return the width of a text in points, whose Latin letters are in the font ``name``."""
        widths = (
            stringWidth("".join(letters), font or name, size)
            for font, letters in groupby(text, self._font_of)
        )
        return float(sum(widths))

    def _font_of(self, letter: str) -> str | None:
        if _is_latin(letter):
            return None
        return _EMBEDDED if letter in self._embedded else _STAND_IN


@contextmanager
def lettering(embedded: EmbeddedFont | None) -> Iterator[Lettering]:
    """Register what a document is set in, for as long as it is written."""
    with _FONTS:
        pdfmetrics.registerFont(UnicodeCIDFont(_STAND_IN))
        if embedded is None:
            yield Lettering(frozenset())
            return
        font = TTFont(_EMBEDDED, io.BytesIO(embedded.data))
        pdfmetrics.registerFont(font)
        try:
            yield Lettering(embedded.characters)
        finally:
            # the next one of this name would not be taken
            font.unregister()


def _is_latin(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True
