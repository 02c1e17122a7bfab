"""The JSON Schema of facility files takes every example and refuses every misspelt key."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

from services.cli import app
from services.core.facility.schema import schema, schema_text

_ROOT = Path(__file__).parents[2]
_COMMITTED = _ROOT / "deploy" / "docs" / "reference" / "facility.schema.json"
_EXAMPLES = sorted(
    [*(_ROOT / "deploy" / "demo").glob("*.yaml"), *(_ROOT / "deploy" / "examples").rglob("*.yaml")]
)
_FAMILIES = [
    path
    for path in sorted((_ROOT / "services" / "core" / "facility" / "families").glob("*/*.yaml"))
    if not path.name.endswith(".messages.yaml")
]
_FILES = [*_EXAMPLES, _ROOT / "tests" / "fixtures" / "contract-facility.yaml"]
_VALIDATOR = Draft202012Validator(schema())

#: Keys under these are the writer's own words.
_OWN_WORDS = {"map", "inputs", "where", "columns"}


def _as_json(node: Any) -> Any:
    """What an editor sees of YAML: names of JSON's types, times as text."""
    if isinstance(node, dict):
        return {str(key).lower() if key in (True, False) else str(key): _as_json(value)
                for key, value in node.items()}  # fmt: skip
    if isinstance(node, list):
        return [_as_json(value) for value in node]
    if isinstance(node, datetime):
        return f"{node.replace(tzinfo=None).isoformat()}Z"
    return node.isoformat() if isinstance(node, date) else node


def _read(path: Path) -> Any:
    return _as_json(YAML(typ="safe").load(path))


def _misspelt(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all keys that the language knows."""
    if isinstance(node, list):
        for i, value in enumerate(node):
            yield from _misspelt(value, (*path, i))
    elif isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            if key not in _OWN_WORDS:
                yield from _misspelt(value, (*path, key))


def _objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield path, node
        for key, value in node.items():
            yield from _objects(value, f"{path}/{key}")
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value, path)


def test_the_schema_is_one_and_the_committed_one_is_fresh() -> None:
    Draft202012Validator.check_schema(schema())
    assert _COMMITTED.read_text(encoding="utf-8") == schema_text(), "run python -m deploy.reference"


def test_every_property_says_what_it_means() -> None:
    mute = [
        f"{path}: {name}"
        for path, part in _objects(schema())
        for name, said in part["properties"].items()
        if not said.get("description")
    ]
    count = sum(len(part["properties"]) for _, part in _objects(schema()))
    assert mute == []
    assert count > 110


def test_tonne_prints_it() -> None:
    done = CliRunner().invoke(app, ["schema"])
    assert done.exit_code == 0
    assert json.loads(done.output) == schema()


@pytest.mark.parametrize("path", [*_FILES, *_FAMILIES], ids=lambda path: path.stem)
def test_an_example_is_valid(path: Path) -> None:
    assert [error.message for error in _VALIDATOR.iter_errors(_read(path))] == []


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.stem)
def test_a_misspelt_key_is_refused_wherever_it_stands(path: Path) -> None:
    document = _read(path)
    places = list(_misspelt(document))
    assert len(places) > 10
    for place in places[:: max(1, len(places) // 60)]:
        changed = copy.deepcopy(document)
        node = changed
        for step in place[:-1]:
            node = node[step]
        node[f"{place[-1]}x"] = node.pop(place[-1])
        assert not _VALIDATOR.is_valid(changed), place


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("devices", 0, "channels", 0, "kind"), "meter"),
        (("devices", 0, "channels", 0, "max_rate"), -1),
        (("devices", 0, "channels"), []),
        (("facility", "id"), "Linz"),
        (("facility", "gwp"), "AR3"),
        (("sources", 0, "scope"), 4),
        (("sources", 0, "lateness"), [900]),
    ],
)
def test_a_value_of_a_wrong_kind_is_refused(place: tuple[Any, ...], value: object) -> None:
    document = _read(_ROOT / "deploy" / "demo" / "linz.yaml")
    node = document
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    assert not _VALIDATOR.is_valid(document)


@pytest.mark.parametrize("unit", ["kWh", {"from": "u", "default": "kWh"}])
def test_a_unit_may_come_with_the_payload(unit: object) -> None:
    document = _read(
        _ROOT / "services" / "core" / "facility" / "families" / "plugs" / "tasmota.yaml"
    )
    document["devices"][0]["channels"][0]["unit"] = unit
    assert _VALIDATOR.is_valid(document)
    document["devices"][0]["channels"][0]["unit"] = {"from": "u"}
    assert not _VALIDATOR.is_valid(document)


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda path: path.stem)
def test_an_example_tells_editors_where_the_schema_is(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    told = first.removeprefix("# yaml-language-server: $schema=")
    assert told != first
    assert (path.parent / told).resolve() == _COMMITTED
