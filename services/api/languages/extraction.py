"""Collect the texts of templates, modules, reports and the schema, and renew the catalogues."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import write_po

from services.api.languages.catalogues import PARTS, TRANSLATED, Part, catalogue, place
from services.api.languages.own_texts import own_texts
from services.core.facility.schema import schema_text

#: A text, or the texts for one and for many.
Key = str | tuple[str, str]


class _Kind(NamedTuple):
    method: str
    keywords: dict[str, tuple[int, ...] | None]
    options: dict[str, Any]


_KINDS: Final = {
    ".html": _Kind(
        "jinja2.ext:babel_extract",
        {"_": None, "gettext": None, "ngettext": (1, 2)},
        {"trimmed": "true", "newstyle_gettext": "false", "silent": "false"},
    ),
    ".py": _Kind("python", {"_": None, "ngettext": (1, 2)}, {}),
}
_LITERAL: Final = r'"(?:[^"\\\n]|\\.)*"'
#: Calls of a module that look a text up; Babel's own reading leaves out those within another one.
_CALL: Final = re.compile(
    rf"(?<![\w.$])(?<!function )(?:t\(\s*(?P<text>{_LITERAL})"
    rf"|plural\(\s*(?P<one>{_LITERAL})\s*,\s*(?P<many>{_LITERAL}))"
)
#: Where texts are, below the package of services.
_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "pages": ("api/dashboard", "core/accounting/emission_report"),
    "mails": ("notify",),
}


def keys(part: Part = "pages") -> set[Key]:
    """Return every text of a part that is looked up."""
    if part == "schema":
        return set(_texts_of_schema(json.loads(schema_text())))
    if part == "answers":
        return own_texts()
    package = Path(str(files("services")))
    return {
        key
        for folder in _PLACES[part]
        for path in sorted((package / folder).rglob("*"))
        if path.suffix in _KINDS or path.suffix == ".js"
        for key in _keys_of(path)
    }


def _texts_of_schema(schema: object) -> Iterator[str]:
    """Return what keys of facility files are called, and what is said of them."""
    if isinstance(schema, list):
        for entry in schema:
            yield from _texts_of_schema(entry)
    elif isinstance(schema, dict):
        if isinstance(schema.get("description"), str):
            yield schema["description"]
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from (str(key).replace("_", " ") for key in properties)
        for entry in schema.values():
            yield from _texts_of_schema(entry)


def _keys_of_module(path: Path) -> Iterator[Key]:
    module = path.read_text(encoding="utf-8")
    for call in _CALL.finditer(module):
        if call["text"]:
            yield str(json.loads(call["text"]))
        else:
            yield str(json.loads(call["one"])), str(json.loads(call["many"]))


def _keys_of(path: Path) -> Iterator[Key]:
    if path.suffix == ".js":
        yield from _keys_of_module(path)
        return
    kind = _KINDS[path.suffix]
    content = BytesIO(path.read_bytes())
    for _, key, _, _ in extract(kind.method, content, kind.keywords, options=kind.options):
        yield key if isinstance(key, str) else (key[0], key[1])


def renewed(language: str, part: Part = "pages") -> bytes:
    """Return a catalogue with exactly these keys, and what it has said of them so far."""
    known = catalogue(language, part)
    fresh = Catalog(locale=language)
    for key in keys(part):
        message = known.get(key if isinstance(key, str) else key[0])
        # a text that is counted from now on, or no longer, is translated anew
        is_same = message is not None and message.pluralizable == isinstance(key, tuple)
        fresh.add(key, message.string if message is not None and is_same else None)
    written = BytesIO()
    write_po(written, fresh, no_location=True, omit_header=True, sort_output=True, width=0)
    return written.getvalue()


def write() -> Iterator[str]:
    """Bring the catalogues up to date; return a line about each, with what it lacks."""
    for language, part in product(TRANSLATED, PARTS):
        path = Path(str(place(language, part)))
        path.write_bytes(renewed(language, part))
        catalogue.cache_clear()
        count = len(untranslated(language, part))
        yield f"{path.parent.parent.name}, {path.name}: {count} texts lack a translation"


def untranslated(language: str, part: Part = "pages") -> list[Key]:
    """Return the keys of which a catalogue has no text, or not one for each of its forms."""
    return [
        message.id if isinstance(message.id, str) else (message.id[0], message.id[1])
        for message in catalogue(language, part)
        if message.id and not (message.string and all(message.string))
    ]
