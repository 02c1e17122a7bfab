"""Facility files that stand for more than they are: refused before anything is built of them."""

from __future__ import annotations

import json
import string
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from services.core.facility.bounded_yaml import TooMuchError, load_yaml
from services.core.facility.file import FacilityFileError, parse
from services.core.facility.plain_words import MAX_FINDINGS

ROOM = 1 << 20


def doubled(first: str, each: str, *, levels: int = 12) -> str:
    lines = [f"a: &a {first}"]
    for before, name in pairwise(string.ascii_lowercase[: levels + 1]):
        lines.append(f"{name}: &{name} {each.format(a=f'*{before}')}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "bomb",
    [
        doubled("[x, x, x, x]", "[{a}, {a}, {a}, {a}]"),
        doubled("{x: 1}", "{{k: {a}, l: {a}, m: {a}, n: {a}}}"),
        doubled("{x: 1}", "{{<<: [{a}, {a}, {a}, {a}], y: 1}}"),
        "[" + "a," * 100_000 + "]",
        "\n" * 100_000,
    ],
)
def test_what_aliases_stand_for_is_counted(bomb: str) -> None:
    with pytest.raises(TooMuchError, match="more than 52428 keys and values"):
        load_yaml(bomb, max_bytes=ROOM)


@pytest.mark.parametrize("deep", ["[" * 900, "- " * 5000, '{"a":' * 900, "? " * 5000])
def test_what_is_nested_without_end_is_refused(deep: str) -> None:
    with pytest.raises(TooMuchError, match="deeper than 40 levels"):
        load_yaml(deep, max_bytes=ROOM)


@pytest.mark.parametrize("loop", ["a: &a [*a]", "&a {facility: *a}", "&a [[[*a]]]"])
def test_an_alias_does_not_stand_in_what_it_names(loop: str) -> None:
    with pytest.raises(TooMuchError, match=r"\*a stands in what it names"):
        load_yaml(loop, max_bytes=ROOM)


def test_a_file_is_told_its_line_and_what_to_do() -> None:
    with pytest.raises(FacilityFileError) as caught:
        parse(doubled("[x, x, x, x]", "[{a}, {a}, {a}, {a}]"))
    assert str(caught.value).startswith("line 8: it has more than 52428 keys and values")
    assert "TONNE_FILE_BYTES" in str(caught.value)
    with pytest.raises(FacilityFileError, match=r"more than 100 bytes.*TONNE_FILE_BYTES"):
        parse("facility: {id: a}" + " " * 100, max_bytes=100)


def test_aliases_of_honest_files_are_understood() -> None:
    file = parse(
        "facility: {id: a, name: A, timezone: UTC}\n"
        "devices:\n"
        "  - id: one\n"
        "    channels: &channels [{id: e, quantity: energy, unit: kWh, kind: counter}]\n"
        "  - {id: two, channels: *channels}\n"
    )
    assert file.devices[1].channels == file.devices[0].channels


def test_a_key_stands_once_in_json_too() -> None:
    part = json.dumps({"id": "a", "name": "A", "timezone": "UTC"})
    with pytest.raises(FacilityFileError, match="duplicate key"):
        parse(f'{{"facility": {part}, "facility": {part}, "devices": []}}')


def test_mappings_that_merge_another_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compared(*_: object) -> bool:
        pytest.fail("to compare each with all before it takes minutes for ten thousand")

    monkeypatch.setattr(CommentedMap, "__eq__", compared)
    document = load_yaml("a: &a {b: 1}\nc:\n" + "- {<<: *a, d: 2}\n" * 50, max_bytes=ROOM)
    assert [dict(each.items()) for each in document["c"]] == [{"b": 1, "d": 2}] * 50
    assert document["c"][3].lc.key("d")[0] == 5


_ROOT = Path(__file__).parents[3]
_EXAMPLES = sorted(
    [
        *(_ROOT / "deploy" / "examples").rglob("*.yaml"),
        *(_ROOT / "services" / "core" / "facility" / "families" / "gateways").glob("*.yaml"),
    ]
)

_SCALARS = """
a: [1, 0x1F, 0o17, 1_000, -3, +4, 1.5, 1e3, .inf, -.inf, 1., 017, 0b11, 12:30, yes, on, ~, 1_0.5]
b: {t: 2026-01-01, u: 2026-01-01T00:00:00Z, "true": true, 1: x}  # why
# between
c: |
  several
  lines
d: &d {e: 'quoted', f: "double"}
g: {<<: *d, e: 2}
"""


@pytest.mark.parametrize(
    "text", [*(path.read_text() for path in _EXAMPLES), _SCALARS], ids=lambda text: text[:20]
)
def test_a_file_is_read_as_ruamel_reads_it_to_the_line(text: str) -> None:
    ours, theirs = load_yaml(text, max_bytes=ROOM), YAML(typ="rt").load(text)
    assert _read(ours) == _read(theirs)


def _read(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return (
            node.lc.line,
            [(key, node.lc.data and node.lc.data.get(key), _read(node[key])) for key in node],
        )
    if isinstance(node, CommentedSeq):
        return node.lc.line, [(i, _read(each)) for i, each in enumerate(node)]
    return node


def test_of_many_mistakes_the_first_are_told_and_how_many_there_are() -> None:
    unknown = ", ".join(f"k{i}: 1" for i in range(2_000))
    with pytest.raises(FacilityFileError) as caught:
        parse(f"facility: {{id: a, name: A, timezone: UTC, {unknown}}}\ndevices: []\n")
    assert len(caught.value.problems) <= MAX_FINDINGS + 1
    (more,) = [each for each in caught.value.problems if "more mistakes" in each.message]
    assert int(more.message.split()[1]) > 1_700
