"""The glossary is in order, so that a word is found in it, and there once."""

from __future__ import annotations

from tests.repository.files import ROOT


def test_words_stand_once_and_in_order() -> None:
    page = (ROOT / "deploy" / "docs" / "contribute" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    words = [row[1].strip().casefold() for row in rows][1:]
    assert words == sorted(set(words))
    assert all(len(row) == 4 and row[2].strip() for row in rows)
