"""Numbers of a column of texts: all at once where they are plain, else one by one.

What a text means is :mod:`..decode.text_number`'s matter; this only sees that the texts are such
that it could not mean anything else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from services.ingest.files.rows import Floats

#: By the kind of number, what every text of a column looks like that is read at once, a line each.
#: No exponent, no spaces, and no digits alone that begin with a zero, which may be hexadecimal.
_PLAIN: Final = {
    None: re.compile(r"(?:[+-]?(?:0|[1-9]\d*)(?:\.\d*)?\n)*\Z", re.ASCII),
    "decimal": re.compile(r"(?:[+-]?\d+(?:\.\d*)?\n)*\Z", re.ASCII),
    "comma": re.compile(r"(?:[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d*)?\n)*\Z", re.ASCII),
    "point": re.compile(r"(?:[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?\n)*\Z", re.ASCII),
}

#: How such texts become what Python reads.
_MARKS: Final[dict[str | None, dict[int, str | None]]] = {
    "comma": {ord("."): None, ord(","): "."},
    "point": {ord(","): None},
}

#: A text of so many characters, of all that a column has on average, is none of a number.
_LONGEST: Final = 40


def plain_numbers(cells: Sequence[Any], kind: str | None) -> Floats | None:
    """Return the numbers of a column of which every cell is plainly one; else None.

    ``kind``: as ``number`` of a table file says, see :data:`..decode.text_number.READERS`.
    """
    if kind not in _PLAIN or set(map(type, cells)) != {str}:
        return None
    text = "\n".join(cells) + "\n"
    # a cell may go over several lines
    if len(text) > _LONGEST * len(cells) or text.count("\n") != len(cells):
        return None
    if not _PLAIN[kind].match(text):
        return None
    if kind in _MARKS:
        cells = text.translate(_MARKS[kind]).split("\n")[:-1]
    return np.fromiter(map(float, cells), np.float64, len(cells))
