"""Text from outside, made harmless for whoever shows it: a terminal, a log, a spreadsheet."""

from __future__ import annotations

from typing import Final

#: What a spreadsheet takes for the beginning of a formula, also in its full-width form.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def shown(text: str, *, lines: bool = False) -> str:
    r"""``text`` with what a terminal would obey written out, as in ``\x1b``.

    Control characters, what turns the direction of writing, and what has no glyph are written out;
    ``lines`` leaves line ends and tabs as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or (lines and character in "\n\t")
        else _written_out(character)
        for character in text
    )


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def csv_text(text: str) -> str:
    """``text`` as a cell of a CSV file that no spreadsheet takes for a formula.

    An apostrophe before it says "text" to a spreadsheet. Numbers are no text: they stay as they
    are, negative ones too.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
