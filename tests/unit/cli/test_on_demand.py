"""Commands by name: listed without being loaded, loaded when they are asked for."""

from __future__ import annotations

import json

import pytest
import typer.main
from typer.testing import CliRunner

from services.cli import PARTS, app


@pytest.mark.parametrize("name", PARTS)
def test_the_list_says_of_a_command_what_the_command_says_of_itself(name: str) -> None:
    loaded = PARTS[name].load(name)
    assert loaded.name == name
    assert loaded.help.strip().splitlines()[0] == PARTS[name].summary


def test_every_command_is_listed() -> None:
    listed = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).stdout
    for name, part in PARTS.items():
        assert f" {name} " in listed
        assert part.summary in listed
    group = typer.main.get_command(app)
    assert list(group.commands) == list(PARTS)  # type: ignore[attr-defined]


def test_a_wrong_word_is_answered_with_a_right_one() -> None:
    done = CliRunner().invoke(app, ["exprot"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "'export'" in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nonsense"], "there are migrate, apply, export"),
        (["quarantine", "nonsense"], "there are list, show, replay, discard"),
        (["quarantine", "lst"], "'list'"),
        (["apply", "--dryrun"], "--dry-run"),
    ],
)
def test_an_unknown_word_is_answered_with_those_that_there_are(words: list[str], says: str) -> None:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert says in done.output


def test_a_search_says_that_more_factors_match() -> None:
    done = CliRunner().invoke(app, ["factors", "search", "gas", "--limit", "1", "--json"])
    assert len(json.loads(done.stdout)) == 1
    assert "there are less fitting ones; use --limit to show more than 1" in done.stderr
