"""What mails say, in the language of who gets them: catalogues with the English text as key.

``python -m services.api.languages`` collects the texts of :mod:`services.notify.wording` into
``de.po`` and ``zh.po`` beside this file, and a test holds them complete.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final

from babel.dates import format_date, format_time
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

ENGLISH: Final = "en"
#: Three places at most, as much as a limit is stated to.
_NUMBER: Final = "#,##0.###"


class Words:
    """Texts, numbers and times in one language."""

    def __init__(self, language: str) -> None:
        self._language = language

    def text(self, key: str, **values: object) -> str:
        """Return a text with its values; what a catalogue lacks stays English."""
        return _texts(self._language).get(key, key).format(**values)

    def number(self, value: float) -> str:
        """Return a number to three places, as one writes it where the language is spoken."""
        if self._language == ENGLISH:
            return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", " ")
        return format_decimal(value, format=_NUMBER, locale=self._language)

    def time(self, local: datetime) -> str:
        """Return a local time to the minute."""
        if self._language == ENGLISH:
            return local.strftime("%Y-%m-%d %H:%M")
        day = format_date(local, format="medium", locale=self._language)
        return f"{day} {format_time(local, format='short', locale=self._language)}"


@cache
def _texts(language: str) -> dict[str, str]:
    if language == ENGLISH:
        return {}
    with (files("services.notify.languages") / f"{language}.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file, locale=language) if m.string}
