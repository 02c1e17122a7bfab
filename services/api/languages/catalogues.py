"""Catalogues: the texts of a language, for templates, reports and the modules of pages.

Texts of pages and reports are one part; those of the facility file's schema are another, for only
the page of configuration shows them; what answers say themselves is the third, and stays here.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Literal, get_args

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from services.api.languages import ENGLISH, LANGUAGES

#: The languages that have a catalogue.
TRANSLATED: Final = tuple(language for language in LANGUAGES if language != ENGLISH)

Part = Literal["pages", "schema", "answers", "mails"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)


def place(language: str, part: Part) -> Traversable:
    """Return where a catalogue is; that of mails is the notifier's."""
    if part == "mails":
        return files("services.notify") / "languages" / f"{language}.po"
    name = f"{language}.po" if part == "pages" else f"{part}.{language}.po"
    return files("services.api.languages") / name


@cache
def catalogue(language: str, part: Part = "pages") -> Catalog:
    """Read a catalogue of the package.

    :raises ValueError: the file is no catalogue.
    """
    with place(language, part).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


class Texts:
    """Looks texts up in one language; what a catalogue lacks stays English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = {} if language == ENGLISH else _texts(language)

    def gettext(self, text: str) -> str:
        """Return a text in the language."""
        return str(self._texts.get(text, text))

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return the text for a number of things, with ``{n}`` where the number stands."""
        forms = self._texts.get(one, (one, many))
        if isinstance(forms, str):
            return forms
        # English and German tell one from many, Chinese does not
        return str(forms[0] if count == 1 else forms[-1])


def javascript(language: str, part: Part) -> bytes:
    """Return a module that pages import: the catalogue as its default."""
    texts = json.dumps(_texts(language, part), ensure_ascii=False, separators=(",", ":"))
    return f"export default {texts};\n".encode()


def answer_texts(language: str) -> dict[str, str]:
    """Return what answers say themselves, by the English text."""
    return _texts(language, "answers")


@cache
def _texts(language: str, part: Part = "pages") -> dict[str, Any]:
    """Texts by their key; those with a number are a list by its forms."""
    texts: dict[str, Any] = {}
    for message in catalogue(language, part):
        key, text = message.id, message.string
        if isinstance(key, str):
            if key and text:
                texts[key] = text
        elif text and all(text):
            texts[key[0]] = list(text)
    return texts
