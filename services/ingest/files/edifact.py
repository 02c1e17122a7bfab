"""Segments of UN/EDIFACT (ISO 9735), a bounded piece at a time.

A segment ends with ``'``, its elements are split by ``+`` and their components by ``:``; what
follows ``?`` is meant as it stands. ``UNA`` at the beginning of a file names other characters.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from services.ingest.files.rows import UnusableFileError

#: What follows "UNA": component, element, decimal mark, release, reserved, terminator.
_USUAL: Final = ":+.? '"
_ADVICE: Final = "UNA"

#: Characters that are read at once.
_BLOCK: Final = 1 << 20

#: A segment has no more: what is longer is no EDIFACT.
_LONGEST: Final = 1 << 16

#: Stand for characters that the release character takes their meaning from; no file has them, for
#: its characters are those of ISO 8859-1.
_RELEASED: Final = "\ue000\ue001\ue002\ue003"

#: Elements of a segment, the first its name; of each its components.
Segment = list[list[str]]


def begins(path: Path) -> bool:
    """Whether a file begins as an interchange does.

    :raises OSError: it cannot be read.
    """
    try:
        with _opened(path) as file:
            first: bytes = file.read(3)
    except (gzip.BadGzipFile, EOFError):
        return False
    return first in {b"UNA", b"UNB"}


def segments(
    path: Path, names: frozenset[str], advance: Callable[[int], None]
) -> Iterator[tuple[int, Segment]]:
    """Yield segments of these names, each with its number in the file, from 1.

    ``advance`` hears how many bytes were read.

    :raises UnusableFileError: it is no such file.
    :raises OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            text: Any = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            yield from _segments(text, file.tell, names, advance)
    except (gzip.BadGzipFile, EOFError) as error:
        raise UnusableFileError(f"it cannot be unpacked ({error})") from None


def _opened(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


class _Marks:
    """The characters that part segments, elements and components."""

    def __init__(self, advice: str) -> None:
        self.component, self.element, _, self.release, _, self.end = tuple(advice)
        self.has_release = not self.release.isspace()
        self._restored = str.maketrans(
            _RELEASED, f"{self.release}{self.component}{self.element}{self.end}"
        )
        if len({self.component, self.element, self.release, self.end}) != 4:
            raise UnusableFileError(f"UNA{advice} names one character for two purposes")

    def hide(self, text: str) -> str:
        """Let characters that are meant as they stand be no marks."""
        if not self.has_release or self.release not in text:
            return text
        meant = (self.release, self.component, self.element, self.end)
        for character, hidden in zip(meant, _RELEASED, strict=True):
            text = text.replace(self.release + character, hidden)
        return text.replace(self.release, "")

    def split(self, text: str) -> Segment:
        """Return the elements of a segment."""
        parts = [element.split(self.component) for element in text.split(self.element)]
        if not text.isascii():
            return [[part.translate(self._restored) for part in element] for element in parts]
        return parts


def _segments(
    file: Any, tell: Callable[[], int], names: frozenset[str], advance: Callable[[int], None]
) -> Iterator[tuple[int, Segment]]:
    marks: _Marks | None = None
    number, rest, position = 0, "", 0
    released = ""
    while block := file.read(_BLOCK):
        text = released + block.decode("latin-1")
        if marks is None:
            marks, text = _advice(text.lstrip())
        released = ""
        if marks.has_release:
            # of "??" at the end nothing is open, of "?" its other half is still to come
            open_marks = len(text) - len(text.rstrip(marks.release))
            if open_marks % 2:
                text, released = text[:-1], marks.release
        *whole, rest = (rest + marks.hide(text)).split(marks.end)
        for segment in whole:
            number += 1
            stripped = segment.lstrip()
            if stripped[:3] in names:
                yield number, marks.split(stripped)
        if len(rest) > _LONGEST:
            raise UnusableFileError(f"it is no EDIFACT: segment {number + 1} does not end")
        advance(tell() - position)
        position = tell()
    if (rest + released).strip():
        raise UnusableFileError(f"it is cut off in segment {number + 1}")


def _advice(text: str) -> tuple[_Marks, str]:
    if not text.startswith(_ADVICE):
        return _Marks(_USUAL), text
    end = len(_ADVICE) + len(_USUAL)
    if len(text) < end:
        raise UnusableFileError("it is cut off in its first segment")
    return _Marks(text[len(_ADVICE) : end]), text[end:]
