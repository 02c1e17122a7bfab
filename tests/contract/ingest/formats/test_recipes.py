"""Every recipe for payloads: its file makes of its message what the page says."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.command import tonne
from tests.examples import ROOT, Example, examples_of, message_of

_PAGE = ROOT / "deploy" / "docs" / "howto" / "devices" / "recipes.md"
_RESULT = "what becomes of it"
#: When the messages of the page arrive.
_ARRIVAL = "2026-06-02T00:00:00Z"
#: Nobody listens there: a mapping is tried without a database.
_NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


class Recipe(NamedTuple):
    file: Example
    message: Example
    result: str


def recipes() -> list[Recipe]:
    found: list[Recipe] = []
    file: Example | None = None
    message: Example | None = None
    for example in examples_of(_PAGE):
        if example.is_facility_file:
            assert file is None or found[-1].file is file, f"{example.name}: the file before it"
            file = example
        elif message_of(example.mark) is not None:
            assert message is None, f"{example.name}: say what becomes of the one before"
            message = example
        elif example.mark == _RESULT:
            assert file is not None, example.name
            assert message is not None, example.name
            found.append(Recipe(file, message, example.text))
            message = None
    assert message is None, "say what becomes of the last one"
    return found


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.message.name)
def test_what_becomes_of_a_message(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / "facility.yaml"
    path.write_text(recipe.file.text)
    message = message_of(recipe.message.mark)
    assert message is not None
    topic, properties = message
    beside = [
        word for name, value in properties.items() for word in ("--beside", f"{name}={value}")
    ]
    tried = tonne(
        _NOWHERE, "map", "try", path, "-", "--topic", topic, "--at", _ARRIVAL, *beside,
        asked=recipe.message.text,
    )  # fmt: skip
    lines = [line.rstrip() for line in tried.said.splitlines()]
    assert lines == recipe.result.splitlines()
