"""The catalogues of texts are complete: what is shown in English is shown in every language."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from services.api.languages.catalogues import PARTS, TRANSLATED, Part, catalogue, file_name
from services.api.languages.extraction import keys, renewed, untranslated
from services.core.facility.alert_codes import AlertCodes

_PLACEHOLDER = re.compile(r"\{\w+\}|<[^>]*>")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_missing_or_left_over(language: str, part: Part) -> None:
    path = files("services.api.languages") / file_name(language, part)
    assert path.read_bytes() == renewed(language, part), "run python -m services.api.languages"
    assert untranslated(language, part) == [], "add the translations"


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_places_of_their_keys(language: str, part: Part) -> None:
    for message in catalogue(language, part):
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        keys = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [message.string] if isinstance(message.string, str) else list(message.string or ())
        allowed = [sorted(_PLACEHOLDER.findall(key)) for key in keys]
        for text in texts:
            # of one thing, a language may leave the number out
            assert sorted(_PLACEHOLDER.findall(str(text))) in allowed, message.id


def test_a_text_within_another_ones_values_is_collected() -> None:
    assert {"Stale: {why}", "a newer release should be there"} <= keys()


def test_codes_that_are_shipped_are_texts_of_the_catalogues() -> None:
    shipped = {code.text for codes in AlertCodes().by_kind.values() for code in codes}
    assert shipped <= keys()


def test_keys_of_facility_files_and_what_is_said_of_them_are_texts() -> None:
    assert {"max gap", "How bad it is.", "What emits."} <= keys("schema")
