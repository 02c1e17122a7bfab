"""The catalogues of texts are complete: what is shown in English is shown in every language."""

from __future__ import annotations

import ast
import re
from importlib.resources import files
from pathlib import Path

import pytest

from services.api.languages.catalogues import (
    PARTS,
    TRANSLATED,
    Part,
    answer_texts,
    catalogue,
    place,
)
from services.api.languages.extraction import keys, renewed, untranslated
from services.api.languages.own_texts import ENGLISH_ALONE, modules
from services.api.languages.sentences import PLACE, translate
from services.core.accounting.units import QUANTITIES
from services.core.facility.alert_codes import AlertCodes
from services.core.facility.places import _ONE_OF
from services.core.store.audit.actions import ACTIONS
from services.core.store.readings.quarantine_reasons import Reason

_PLACEHOLDER = re.compile(r"\{\w+\}|<[^>]*>")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", TRANSLATED)
def test_no_text_is_missing_or_left_over(language: str, part: Part) -> None:
    assert place(language, part).read_bytes() == renewed(language, part), (
        "run python -m services.api.languages"
    )
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


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_of_answers_is_recognised_with_its_values(language: str) -> None:
    for key, text in answer_texts(language).items():
        for n, name in enumerate(PLACE.findall(key)):
            key, text = key.replace(name, f"x{n}"), text.replace(name, f"x{n}")  # noqa: PLW2901
        assert translate(key, language) == text


def test_texts_of_answers_are_those_that_the_code_says() -> None:
    assert {
        "device {device} has no such channel",
        "There is no facility {slug}",
        "the {key} of {id}.{id2} cannot be used: {error}",
        "no data of {source}",
        "set the device's clock",
    } <= keys("answers")


@pytest.mark.parametrize(
    ("text", "german"),
    [
        pytest.param("Boiler 2, the old one", None, id="of somebody else"),
        pytest.param(
            "line 7: source boiler, factor: factor gsa is neither in this file nor built in nor"
            " imported; did you mean gas?",
            "Zeile 7: source boiler, factor: Faktor gsa steht weder in dieser Datei, noch ist er"
            " eingebaut oder importiert; ist gas gemeint?",
            id="a text in a text",
        ),
        pytest.param(
            "There is no facility x; GET /v1/facilities lists facilities.",
            "Es gibt keine Anlage x; GET /v1/facilities listet die Anlagen.",
            id="two texts",
        ),
        pytest.param(
            "works: boiler counts by grid of 2024; a newer one is expected since June 2025; take"
            " the newer figure from where this one is: the facility file, `tonne factors import` or"
            " a newer release of tonne",
            "works: boiler zählt nach grid von 2024; ein neuerer wird seit Juni 2025 erwartet;"
            " nehmen Sie die neuere Zahl von dort, wo diese her ist: aus der Anlagendatei, `tonne"
            " factors import` oder einer neueren Ausgabe von tonne",
            id="with a month",
        ),
        pytest.param(
            "Grid is too high. Stack 1: total of month 12.3 kg, limit 10 kg",
            "Grid is too high. Stack 1: Summe je Monat 12.3 kg, Grenzwert 10 kg",
            id="behind what people wrote",
        ),
        pytest.param(
            "45 minutes of valid data, 60 needed: 3 data points, one every 900 s as learned from"
            " the readings; O2 of 22 % is above the diluent cap: 14 % counts",
            "45 Minuten gültiger Daten, 60 nötig: 3 Datenpunkte, einer alle 900 s wie aus den"
            " Messwerten gelernt; 22 % O2 liegen über der Verdünnungsgrenze: Es zählen 14 %",
            id="behind a text with values at its end",
        ),
    ],
)
def test_a_text_is_translated_where_it_is_known(text: str, german: str | None) -> None:
    assert translate(text, "de") == german


def test_modules_whose_texts_stay_english_say_why() -> None:
    stay = {
        path.name: why[1]
        for path, code, _ in modules()
        if (why := ENGLISH_ALONE.search(code)) is not None
    }
    assert all(len(why.split()) > 2 for why in stay.values())
    # whoever says so of a module without texts says it for nothing
    assert stay.keys() == {
        path.name
        for path, code, place in modules()
        if ENGLISH_ALONE.search(code) is not None and list(place.texts(code))
    }


def _notices(code: str) -> bool:
    """Whether a module makes what `/readyz` tells: a notice, or a code with its detail."""
    return any(
        (
            isinstance(node, ast.Dict)
            and {"code", "detail"} <= {k.value for k in node.keys if isinstance(k, ast.Constant)}
        )
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Notice"
        )
        for node in ast.walk(ast.parse(code))
    )


def test_modules_that_make_notices_are_among_those_whose_texts_are_collected() -> None:
    package = Path(str(files("services")))
    collected = {path for path, _, _ in modules()}
    assert [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if path not in collected and _notices(path.read_text(encoding="utf-8"))
    ] == []


def test_parts_of_a_file_that_change_have_words() -> None:
    """Lines such as `+ device meter-grid`, wherever the registry makes them."""
    store = Path(str(files("services"))) / "core/store"
    made = {
        words
        for folder in ("registry", "readings", "operations")
        for path in (store / folder).rglob("*.py")
        for words in re.findall(
            r"""f["'](?:[+~-]|\{(?:sign|[^{}]*'~'[^{}]*)\}) ([a-z][a-z ]*[a-z]) \{""",
            path.read_text(encoding="utf-8"),
        )
    }
    assert {"device", "path of scope", "product", "threshold"} <= made
    text = (files("services.api") / "dashboard" / "change-words.js").read_text(encoding="utf-8")
    parts = set(re.findall(r'^  "?([a-z ]+?)"?: \(name\) =>', text, re.MULTILINE))
    assert made | set(_ONE_OF.values()) <= parts


def test_a_text_within_another_ones_values_is_collected() -> None:
    assert {"Stale: {why}", "a newer release should be there"} <= keys()


def test_codes_that_are_shipped_are_texts_of_the_catalogues() -> None:
    shipped = {code.text for codes in AlertCodes().by_kind.values() for code in codes}
    assert shipped <= keys()


@pytest.mark.parametrize(
    ("module", "codes"), [("pipeline-words.js", tuple(Reason)), ("audit-words.js", ACTIONS)]
)
def test_codes_of_the_pipeline_and_the_audit_log_have_words(
    module: str, codes: tuple[str, ...]
) -> None:
    text = (files("services.api") / "dashboard" / module).read_text(encoding="utf-8")
    stated = set(re.findall(r'(?<![\w.])"?([\w.-]+)"?: t\("', text))
    assert set(codes) <= stated


def test_the_parts_of_an_hour_that_is_explained_have_names() -> None:
    package = files("services.api")
    module = ast.parse((package / "models" / "explain.py").read_text(encoding="utf-8"))
    # these the page shows in words of its own, not as they come
    in_words = {"explain_body", "_version", "_equation", "_input", "_minutes"}
    named = {
        key.value
        for function in module.body
        if isinstance(function, ast.FunctionDef) and function.name not in in_words
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    words = (package / "dashboard" / "explain-words.js").read_text(encoding="utf-8")
    of_page = set(re.findall(r'(\w+): t\("', words))
    assert len(named) > 30
    # and an input by its role
    assert {key for key in named - of_page if key.replace("_", " ") not in keys("schema")} == {
        "co2"
    }


def test_kinds_and_quantities_of_channels_have_words() -> None:
    words = (files("services.api") / "dashboard" / "explain-words.js").read_text(encoding="utf-8")
    stated = set(re.findall(r'(\w+): t\("', words))
    assert {"counter", "gauge", "interval", *QUANTITIES} <= stated


def test_keys_of_facility_files_and_what_is_said_of_them_are_texts() -> None:
    assert {"max gap", "How bad it is.", "What emits."} <= keys("schema")
