"""Dates by a form of strptime, with digits that stand side by side of their full width."""

from __future__ import annotations

# Texts here stay English: callers say in their own words which form was expected
import re
from datetime import datetime
from functools import lru_cache
from typing import Final

#: Directives that are digits alone, and how many.
_DIGITS: Final = {
    "Y": "4",
    "G": "4",
    "j": "3",
    **dict.fromkeys("ymdHIMSUWV", "2"),
    **dict.fromkeys("uw", "1"),
    "f": "1,6",
}
_PARTS: Final = re.compile(r"%(.)|([^%])", re.DOTALL)


def parse_date(text: str, form: str) -> datetime:
    """Return what a text tells by a form, as strptime does; naive if it has no offset.

    Of digits without separators strptime lets any part be short: by ``%Y%m%d%H%M%S`` it reads
    180119100000, which is 2018 by another form, as ten o'clock in January 1801.

    :raises ValueError: the text is not of that form.
    """
    shape = _shape(form)
    if shape is not None and shape.fullmatch(text) is None:
        raise ValueError(f"time data {text!r} does not match format {form!r}")
    return datetime.strptime(text, form)  # noqa: DTZ007 - its zone is looked at next


@lru_cache(maxsize=256)
def _shape(form: str) -> re.Pattern[str] | None:
    """Return what a text of a form looks like; None: no digits of it stand side by side."""
    parts = _PARTS.findall(form)
    digits = [False, *(directive in _DIGITS for directive, _literal in parts), False]
    close = [
        here and (before or after)
        for before, here, after in zip(digits, digits[1:], digits[2:], strict=False)
    ]
    if not any(close):
        return None
    return re.compile(
        "".join(
            _part(directive, literal, full=full)
            for (directive, literal), full in zip(parts, close, strict=True)
        ),
        re.DOTALL | re.IGNORECASE,
    )


def _part(directive: str, literal: str, *, full: bool) -> str:
    if literal:
        return r"\s+" if literal.isspace() else re.escape(literal)
    if full:
        return rf"\d{{{_DIGITS[directive]}}}"
    return "%" if directive == "%" else ".+?"
