"""Every example in the documentation does what the page says, as far as no server is needed.

Those that need one run in ``tests/e2e/test_examples.py``.
"""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
from ruamel.yaml import YAML

from sensors_sim.cli import app as sim_app
from services.cli import app as tonne_app
from services.core.facility import activity_file, factor_file, value_file
from services.core.facility.activity_table import parse_activity_table
from services.core.facility.file import parse
from services.core.facility.organisation_file import is_of_organisation, parse_organisation
from services.core.facility.table_file import parse_table
from services.ingest import route
from tests.contract.ingest.formats.station import station_of
from tests.examples import PAGES, ROOT, Example, all_examples, examples_of, message_of
from tests.repository.files import openapi

_LINZ = (ROOT / "deploy" / "demo" / "linz.yaml").read_text(encoding="utf-8")
_LANGUAGES = {"yaml", "json", "sh", "python", "csv", "text"}
_PROGRAMS = {
    "tonne": typer.main.get_command(tonne_app),
    "tonne-sim": typer.main.get_command(sim_app),
}
#: Shell words that need no check of ours.
_TRUSTED = {
    "curl",
    "mosquitto_pub",
    "mosquitto_sub",
    "openssl",
    "sha256sum",
    "cp",
    "install",
    "journalctl",
    "kubectl",
    "deploy/kubernetes/secrets.sh",
    "deploy/kubernetes/credentials.sh",
    "pip",
    "systemctl",
    "systemd-sysusers",
    "apt",
    "psql",
    "pg_dump",
    "pg_restore",
    "mkdir",
    "sleep",
    "sed",
    "export",
    "chown",
    "printf",
    "docker",
    "echo",
    "cd",
    "git",
    "uv",
}
_SERVER = (ROOT / "deploy" / "server.sh").read_text(encoding="utf-8")
_TARGETS = set(
    re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
)


def _name(example: Example) -> str:
    return example.name


def test_every_example_is_one_that_is_checked() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {problem}" for page in PAGES for problem in _unchecked(page)
    ]
    assert wrong == []


def _unchecked(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    examples = examples_of(page)
    if 2 * len(examples) != len(re.findall(r"^ *```", text, re.MULTILINE)):
        yield "an unclosed fence"
    marks = re.findall(r"^ *<!-- example:", text, re.MULTILINE)
    if len(marks) != sum(bool(example.mark) for example in examples):
        yield "a stray mark"
    for example in examples:
        if example.language not in _LANGUAGES:
            yield f"line {example.line}: name the example's language"
        if example.language == "text" and not example.mark and page.name != "map.md":
            yield f"line {example.line}: say why it is not run"


#: What other programs read is no facility file.
_OF_OTHERS = {"not run, a kustomization", "not run, settings of Patroni"}
_FACILITY_FILES = [each for each in all_examples("yaml") if each.mark not in _OF_OTHERS]


@pytest.mark.parametrize("example", _FACILITY_FILES, ids=_name)
def test_a_facility_file_is_taken_whole_and_so_is_a_part_of_one(example: Example) -> None:
    if example.is_facility_file:
        parse(example.text)
        return
    if example.is_table_file:
        parse_table(example.text)
        return
    if example.is_activity_table:
        parse_activity_table(example.text)
        return
    if is_of_organisation(example.text):
        parse_organisation(example.text)
        return
    stated = YAML(typ="safe").load(example.text)
    if stated is None:
        return  # the line that editors look for
    whole = YAML(typ="safe").load(_LINZ)
    if "devices" in stated:
        # a file without its head: the devices and what is said of them belong together
        whole = {"facility": whole["facility"]}
    text = io.StringIO()
    YAML(typ="safe").dump({**whole, **stated}, text)
    parse(text.getvalue())


@pytest.mark.parametrize("example", all_examples("json"), ids=_name)
def test_a_payload_is_decoded_with_the_facility_it_speaks_of(example: Example) -> None:
    document = json.loads(example.text)
    if example.mark == "an answer":
        return
    message = message_of(example.mark)
    assert message is not None, "say <!-- example: a message at TOPIC --> or an answer"
    topic, properties = message
    address = route.parse(topic)
    if address.kind is route.Kind.VALUES:
        now = datetime(2026, 11, 28, tzinfo=UTC)
        assert value_file.read_json(example.text.encode(), now, address.series)
        return
    files = [
        each.text
        for each in examples_of(example.page)
        if each.is_facility_file and each.line < example.line
    ]
    station = station_of(files[-1] if files else _LINZ)
    readings = station.receive(
        topic, document, at=datetime(2026, 11, 28, tzinfo=UTC), properties=properties
    )
    assert station.reasons() == []
    assert readings


@pytest.mark.parametrize("example", all_examples("csv"), ids=_name)
def test_a_table_is_taken(example: Example) -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    if example.text.startswith("factor,"):
        assert value_file.read_csv(example.text, now)
    elif example.text.startswith("id,channel,"):
        assert activity_file.read(example.text, now, "office")
    else:
        assert factor_file.read(example.text, now)


@pytest.mark.parametrize("example", all_examples("python"), ids=_name)
def test_a_program_runs(example: Example) -> None:
    exec(compile(example.text, example.name, "exec"), {})  # noqa: S102 - our own documentation


def _commands(example: Example) -> list[list[str]]:
    text = re.sub(r"\\\n", " ", example.text)
    # what the shell puts in is one word here
    text = re.sub(r"'\$\(([^()]*)\)'|\$\([^()]*(?:\([^()]*\))?[^()]*\)", "1", text)
    return [
        words
        for line in text.splitlines()
        if (words := shlex.split(line.partition(" #")[0], comments=True))
    ]


@pytest.mark.parametrize("example", all_examples("sh"), ids=_name)
def test_a_command_is_one_that_its_program_knows(example: Example) -> None:
    for line in _commands(example):
        words = line[1:] if line[0] in {"sudo", "deploy/server.sh"} else line
        if line[0] == "deploy/server.sh" and words[0] != "tonne":
            assert f"  {words[0]}) " in _SERVER, line
            continue
        program = words[0].removeprefix(".venv/bin/").removeprefix("/usr/lib/tonne/bin/")
        if program == "make":
            assert set(words[1:2]) <= _TARGETS, words
        elif program in _PROGRAMS:
            _parse(_PROGRAMS[program], words[1:])
        elif program.startswith("python") and "-m" in words:
            continue
        else:
            assert program in _TRUSTED or "=" in program, words


def test_a_command_or_call_in_a_sentence_is_one_that_there_is() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {problem}" for page in PAGES for problem in _not_there(page)
    ]
    assert wrong == []


def _not_there(page: Path) -> Iterator[str]:
    text = re.sub(
        r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    for method, path in re.findall(r"`(GET|PUT|POST|DELETE) (/[^`?\s]*)", text):
        if not _is_a_call(method, path):
            yield f"{method} {path}"
    for command in re.findall(r"`(?:\.venv/bin/)?(tonne(?:-sim)? [a-z][^`]*)`", text):
        words = command.replace("|", " ").split()
        try:
            _find(_PROGRAMS[words[0]], words[1:])
        except AssertionError as error:
            yield f"{command}: {error}"


@cache
def _calls() -> list[tuple[re.Pattern[str], frozenset[str]]]:
    return [
        (re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))), frozenset(calls))
        for template, calls in openapi()["paths"].items()
    ]


def _is_a_call(method: str, path: str) -> bool:
    return any(
        pattern.fullmatch(path.rstrip(".")) and method.lower() in methods
        for pattern, methods in _calls()
    )


def _find(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words behind it; fails where a word is no command."""
    # options before a command, or of a group that does something by itself, are its own
    while (children := getattr(command, "commands", None)) and words and words[0][0] != "-":
        assert words[0] in children, f"there is no command {' '.join(words)}"
        command, words = children[words[0]], words[1:]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, f"there is no option {word}"
    return command, words


def _parse(program: Any, words: list[str]) -> None:
    command, rest = _find(program, words)
    for stop in (">", "|"):
        rest = rest[: rest.index(stop)] if stop in rest else rest
    try:
        command.make_context("example", list(rest))
    except click.exceptions.Exit:
        pass
    except click.UsageError as error:
        pytest.fail(error.format_message())
