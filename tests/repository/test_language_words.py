"""German addresses its readers in one form, and each language has one word for one thing.

The words are those of ``deploy/docs/contribute/words-in-german-and-chinese.md``; forbidden here are
others, which a translator would take for as good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pytest

from services.api.languages.catalogues import PARTS, TRANSLATED, catalogue

#: Imperatives in the familiar form that are no other word of German in lower case.
_FAMILIAR: Final = (
    "ändere aktualisiere beende beginne behalte benutze berichtige bilde bringe entferne ergänze"
    " erhöhe ersetze erstelle erweitere erzeuge frage führe füge gib hole kopiere korrigiere lade"
    " lass lege leere lies lösche melde miss multipliziere nenne nimm öffne prüfe publiziere"
    " schalte schicke schließe schreibe sende setze sieh speichere starte stelle suche trage"
    " übernimm vergib verringere versuche verwende verwirf wähle wende wiederhole wirf"
)
#: Those that are nouns at the begin of a sentence.
_NOUNS: Final = {"Frage", "Lade", "Stelle", "Suche"}
_PRONOUNS: Final = ["[Dd]u", "[Dd]ich", "[Dd]ir", r"[Dd]ein(?:e[mnrs]?)?", "[Ee]uch", r"[Ee]uren?"]

#: Words that another one stands for: by language, as regular expressions.
_OTHERS: Final = {
    # a facility is an Anlage, as in the TEHG; location-based stays standortbasiert
    "de": [r"Standort(?!basiert)\w*", r"Betriebsstätten?", r"Kamin\w*", r"Entfernung(?:en)?"],
    # GB/T 32150, HJ 75, HJ 76 and HJ 212
    "zh": ["告警", "警报", "活动水平", "活动量", "缺失值", "方程", "厂区", "工厂", "重述", "你"],
}

_IDEOGRAPH: Final = r"[\u3400-\u9fff]"
#: Half-width marks beside an ideograph; those of the facility file's language are none of them:
#: ``[最小, 最大]``, ``角色: 设备.通道``.
_HALF_WIDTH: Final = re.compile(
    rf"{_IDEOGRAPH}[,;!?]|[,;!?] ?{_IDEOGRAPH}"
    rf"|{_IDEOGRAPH}[.:]$|{_IDEOGRAPH}[.:] (?!{_IDEOGRAPH}+\.)"
)
_LIST: Final = re.compile(r"\[[^]]*\]")


def _texts(language: str) -> Iterator[str]:
    """Yield what is shown."""
    for part in PARTS:
        for message in catalogue(language, part):
            if message.id:
                forms = message.string
                yield from [forms] if isinstance(forms, str) else map(str, forms or ())


def _faults(language: str, forbidden: re.Pattern[str]) -> dict[str, str]:
    return {text: match[0] for text in _texts(language) if (match := forbidden.search(text))}


def test_german_says_sie() -> None:
    verbs = _FAMILIAR.split()
    words = [*verbs, *({verb.capitalize() for verb in verbs} - _NOUNS), *_PRONOUNS]
    familiar = re.compile(rf"(?<![\w-])(?:{'|'.join(words)})(?![\w-])")
    assert _faults("de", familiar) == {}
    assert familiar.search("Kanal 1: gib dem Kanal number: comma")
    assert not familiar.search("Die Suche nennt, was sie gefunden hat; nennen Sie eine Anlage.")


@pytest.mark.parametrize("language", TRANSLATED)
def test_one_thing_has_one_word(language: str) -> None:
    forbidden = re.compile("|".join(_OTHERS[language]))
    assert _faults(language, forbidden) == {}


def test_chinese_has_chinese_marks() -> None:
    texts = {_LIST.sub("", text) for text in _texts("zh")}
    assert [text for text in texts if _HALF_WIDTH.search(text)] == []
    assert _HALF_WIDTH.search("无数据,未知")
    assert not _HALF_WIDTH.search("写作 角色: 设备.通道。")
