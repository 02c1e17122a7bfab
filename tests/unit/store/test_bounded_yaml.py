"""Facility files that stand for more than they are: refused before anything is built of them."""

from __future__ import annotations

import json
import string
from itertools import pairwise

import pytest
from ruamel.yaml.comments import CommentedMap

from services.core.facility.bounded_yaml import TooMuchError, load_yaml
from services.core.facility.file import FacilityFileError, parse

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
        load_yaml(bomb, most_bytes=ROOM)


@pytest.mark.parametrize("deep", ["[" * 900, "- " * 5000, '{"a":' * 900, "? " * 5000])
def test_what_is_nested_without_end_is_refused(deep: str) -> None:
    with pytest.raises(TooMuchError, match="deeper than 40 levels"):
        load_yaml(deep, most_bytes=ROOM)


@pytest.mark.parametrize("loop", ["a: &a [*a]", "&a {facility: *a}", "&a [[[*a]]]"])
def test_an_alias_does_not_stand_in_what_it_names(loop: str) -> None:
    with pytest.raises(TooMuchError, match=r"\*a stands in what it names"):
        load_yaml(loop, most_bytes=ROOM)


def test_a_file_is_told_its_line_and_what_to_do() -> None:
    with pytest.raises(FacilityFileError) as caught:
        parse(doubled("[x, x, x, x]", "[{a}, {a}, {a}, {a}]"))
    assert str(caught.value).startswith("line 8: it has more than 52428 keys and values")
    assert "TONNE_FILE_BYTES" in str(caught.value)
    with pytest.raises(FacilityFileError, match=r"more than 100 bytes.*TONNE_FILE_BYTES"):
        parse("facility: {id: a}" + " " * 100, most_bytes=100)


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
    document = load_yaml("a: &a {b: 1}\nc:\n" + "- {<<: *a, d: 2}\n" * 50, most_bytes=ROOM)
    assert [dict(each.items()) for each in document["c"]] == [{"b": 1, "d": 2}] * 50
    assert document["c"][3].lc.key("d")[0] == 5
