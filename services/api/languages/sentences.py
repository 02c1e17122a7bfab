"""What tonne says in English, in another language, by the catalogue of its own texts.

A text arrives as it was written, with its values, perhaps after years in the database. It is
recognised by the words of its key; what stood in the key's places is put into the translation, and
is translated itself where it is one of tonne's texts. A text that no key fits stays English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import islice
from typing import Final, NamedTuple

from babel.dates import format_skeleton

from services.api.languages.catalogues import Texts, answer_texts

PLACE: Final = re.compile(r"\{\w+\}")
#: Between a text and the next one: a place, a mistake, what to do about it.
_SEPARATORS: Final = re.compile(r"[;:.] ")
#: What a text begins with that only ends others.
_ENDS: Final = frozenset(";:,. (")
#: How a separator is written where it is not as in English.
_PUNCTUATION: Final = {
    "zh": {
        "; ": "\uff1b",
        ": ": "\uff1a",
        ". ": "\u3002",
    }
}
#: Places of codes, which pages have words for.
_CODES: Final = frozenset({"{measure}", "{window}", "{state}"})
#: A month, as English has it.
_MONTH: Final = re.compile(
    "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
    r" \d{4}"
)
#: Longer texts are those of a document; so many parts of one are looked at.
_LONGEST: Final = 4000
_MOST_PARTS: Final = 200
_MOST_CUTS: Final = 8


class _Pattern(NamedTuple):
    """A key with places, cut at them."""

    #: before, between and behind the places
    words: tuple[str, ...]
    places: tuple[str, ...]
    text: str

    def values(self, text: str) -> list[str] | None:
        """Return what stands in the places of a text; None: it is another one's."""
        first, *rest = self.words
        last = rest.pop()
        end = len(text) - len(last)
        if end < len(first) or not (text.startswith(first) and text.endswith(last)):
            return None
        values: list[str] = []
        begin = len(first)
        for word in rest:
            place = text.find(word, begin, end)
            if place < 0:
                return None
            values.append(text[begin:place])
            begin = place + len(word)
        return [*values, text[begin:end]]


@lru_cache(4096)
def translate(text: str, language: str) -> str | None:
    """Return one of tonne's texts in a language; None: it is not known there."""
    if not text or len(text) > _LONGEST:
        return None
    known = _Translator(language, text).translate(text)
    return None if known is None else known.text


class _Translation(NamedTuple):
    text: str
    #: so many characters of the English text were recognised
    known: int


class _Translator:
    """Translates a text and what stands in it, by the keys that recognise most of it."""

    def __init__(self, language: str, text: str) -> None:
        self._language = language
        self._whole, patterns = _patterns(language)
        # no part of a text has words that all of it has not
        lowered = text.lower()
        self._patterns = [p for p in patterns if all(word.lower() in lowered for word in p.words)]
        beginnings = {p.words[0] for p in self._patterns} | self._whole.keys()
        self._endings = [w for w in beginnings if w[:1] in _ENDS and len(w) > 1 and w in text]
        self._known: dict[str, _Translation | None] = {}

    def translate(self, text: str) -> _Translation | None:
        """Translate a text; None: nothing of it is known."""
        if text in self._whole:
            return _Translation(self._whole[text], len(text))
        if text not in self._known:
            if len(self._known) >= _MOST_PARTS:
                return None
            # what stands in itself is not looked at twice
            self._known[text] = None
            options = [*self._by_pattern(text), *self._apart(text), *self._begun(text)]
            self._known[text] = max(options, key=lambda option: option.known, default=None)
        return self._known[text]

    def _by_pattern(self, text: str) -> Iterator[_Translation]:
        for pattern in self._patterns:
            values = pattern.values(text)
            if values is None:
                continue
            known = sum(map(len, pattern.words))
            parts: dict[str, str] = {}
            for place, value in zip(pattern.places, values, strict=True):
                part = self._value(place, value)
                parts[place] = part.text
                known += part.known
            yield _Translation(_filled(pattern.text, parts), known)

    def _value(self, place: str, value: str) -> _Translation:
        if place in _CODES:
            return _Translation(_page(self._language).gettext(value), 0)
        if _MONTH.fullmatch(value):
            month = datetime.strptime(value, "%B %Y").replace(tzinfo=UTC)
            return _Translation(format_skeleton("yMMMM", month, locale=self._language), len(value))
        return self.translate(value) or _Translation(value, 0)

    def _begun(self, text: str) -> Iterator[_Translation]:
        """Translate what was made a sentence of: with a capital letter, or with a full stop."""
        begun = self.translate(f"{text[0].lower()}{text[1:]}") if text[:1].isupper() else None
        if begun is not None:
            yield _Translation(f"{begun.text[0].upper()}{begun.text[1:]}", begun.known)
        ended = self.translate(text[:-1]) if text.endswith(".") else None
        if ended is not None:
            stop = _PUNCTUATION.get(self._language, {}).get(". ", ".")
            yield _Translation(f"{ended.text}{stop}", ended.known)

    def _apart(self, text: str) -> Iterator[_Translation]:
        """Translate a text that consists of two, of which one may be what somebody wrote."""
        for cut in islice(_SEPARATORS.finditer(text), _MOST_CUTS):
            between = _PUNCTUATION.get(self._language, {}).get(cut[0], cut[0])
            yield from self._joined(text[: cut.start()], between, text[cut.end() :])
        # what a text may end with has its separator in its key
        for ending in self._endings:
            begin = text.find(ending, 1)
            if begin > 0:
                yield from self._joined(text[:begin], "", text[begin:])

    def _joined(self, before: str, between: str, behind: str) -> Iterator[_Translation]:
        head, tail = self.translate(before), self.translate(behind)
        if head is not None or tail is not None:
            # of two texts that are both known, what stands between them is known, too
            known = 0 if head is None or tail is None else len(between)
            head, tail = head or _Translation(before, 0), tail or _Translation(behind, 0)
            yield _Translation(f"{head.text}{between}{tail.text}", head.known + known + tail.known)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return PLACE.sub(lambda place: values[place[0]], text)


@cache
def _page(language: str) -> Texts:
    return Texts(language)


@cache
def _patterns(language: str) -> tuple[dict[str, str], list[_Pattern]]:
    """Return texts without places by their key, and the others, those with most words first."""
    whole: dict[str, str] = {}
    patterns: list[_Pattern] = []
    for key, text in answer_texts(language).items():
        words = tuple(PLACE.split(key))
        if len(words) == 1:
            whole[key] = text
        else:
            places = tuple(PLACE.findall(key))
            patterns.append(_Pattern(words=words, places=places, text=text))
    patterns.sort(key=lambda pattern: (-sum(map(len, pattern.words)), pattern.words))
    return whole, patterns
