"""Edits of a facility file's text: they state what was asked, and leave every other line alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.core.facility.editing.document import Document, EditError
from services.core.facility.editing.edits import edited
from services.core.facility.editing.patch import Edit, patched, target
from services.core.facility.errors import FacilityFileError
from services.core.facility.file import MAX_BYTES

TEXT = """\
# by hand
facility:
  id: works   # in topics
  name: "Works"
devices:
- id: meter  # of the hall
  # two of them
  channels:
    - {id: energy, kind: counter}   # total
    - id: power
      kind: gauge
# what is watched
thresholds:
  - {id: hot, above: 1000}  # kg/h
weather:
notify: []
factors: [{id: f, valid_from: 2026-01-01}]
"""


class Line(NamedTuple):
    """A line of a text, and the pointer of the part that it states."""

    text: str
    steps: tuple[str | int, ...]
    #: whether all of the part stands in it
    is_whole: bool


KEYS = some.sampled_from(["id", "name", "above", "1", "true", "a b", "kg/h", "~"])
SCALARS = (
    some.none()
    | some.booleans()
    | some.integers(-(10**6), 10**6)
    | some.floats(-1e9, 1e9)
    | some.sampled_from(["", "a", "a: b", "# no", "2026-01-01", "yes", "12", "ä, [", "x\ny", '"'])
)
VALUES = some.recursive(
    SCALARS,
    lambda parts: some.lists(parts, max_size=3) | some.dictionaries(KEYS, parts, max_size=3),
    max_leaves=12,
)
DOCUMENTS = some.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def written(value: Any, choose: Callable[[int], int], steps: tuple[str | int, ...]) -> list[Line]:
    """Write a mapping or list as somebody may: parts in braces or below, with comments."""
    lines = []
    for step, part in value.items() if isinstance(value, dict) else enumerate(value):
        own = (*steps, step)
        comment = f"  # {choose(1000)}" if choose(2) else ""
        head = f"{json.dumps(step)}:" if isinstance(value, dict) else "-"
        if choose(4) == 0:
            lines += [Line("", steps, False), Line(f"# above {choose(1000)}", steps, False)]
        if part is None and choose(2):
            lines.append(Line(f"{head}{comment}", own, True))
        elif not isinstance(part, dict | list) or not part or choose(3) == 0:
            lines.append(Line(f"{head} {json.dumps(part)}{comment}", own, True))
        else:
            indent = " " * (0 if isinstance(part, list) and choose(2) else 2)
            below = written(part, choose, own)
            if isinstance(value, list) and below[0].text and below[0].text[0] != "#":
                first, *below = below
                lines.append(Line(f"- {first.text}", first.steps, first.is_whole))
                indent = "  "
            else:
                indent = indent if isinstance(value, dict) else "  "
                lines.append(Line(f"{head}{comment}", own, False))
            lines += [line._replace(text=f"{indent}{line.text}") for line in below]
    return lines


def pointers(value: Any, steps: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where every part of a document stands."""
    if not isinstance(value, dict | list):
        return []
    below = [
        ((*steps, step), part)
        for step, part in (value.items() if isinstance(value, dict) else enumerate(value))
    ]
    return [place for own, part in below for place in [own, *pointers(part, own)]]


def pointer(steps: tuple[str | int, ...]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def part_at(value: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        value = value[step]
    return value


@given(some.data())
def test_an_edit_states_what_was_asked_and_leaves_every_other_line(data: some.DataObject) -> None:
    value = data.draw(DOCUMENTS)
    lines = written(value, lambda n: data.draw(some.integers(0, n - 1)), ())
    text = "".join(f"{line.text}\n" for line in lines)
    assert Document.read(text, max_bytes=MAX_BYTES).value == value
    steps = data.draw(some.sampled_from(pointers(value)))
    parent = part_at(value, steps[:-1])
    op = data.draw(some.sampled_from(["add", "replace", "remove"]))
    if op == "add" and isinstance(parent, dict):
        steps = (*steps[:-1], "new")
    edit = Edit(op=op, path=pointer(steps), value=data.draw(VALUES))  # type: ignore[arg-type]

    after = edited(text, [edit])
    assert json.dumps(after.value) == json.dumps(patched(value, edit, target(value, edit)))
    assert Document.read(after.text, max_bytes=MAX_BYTES).value == after.value

    changed = steps[:-1] if op == "remove" and len(parent) == 1 else steps
    rest = iter(line.lstrip(" -") for line in after.text.splitlines())
    for line in lines:
        is_within = line.steps[: len(changed)] == changed and op != "add"
        is_around = line.is_whole and changed[: len(line.steps)] == line.steps
        if not (is_within or is_around):
            # a dash moves to the next line where the first one of an entry goes
            assert line.text.lstrip(" -") in rest, f"{line} is gone or moved:\n{after.text}"


def changes(*edits: tuple[str, str] | tuple[str, str, Any], text: str = TEXT) -> list[str]:
    """Return the lines that edits take away and bring."""
    made = [Edit(op=op, path=path, value=value[0] if value else None) for op, path, *value in edits]  # type: ignore[arg-type]
    before, after = text.splitlines(), edited(text, made).text.splitlines()
    gone = [f"- {line}" for line in before if line not in after]
    return gone + [f"+ {line}" for line in after if line not in before]


@pytest.mark.parametrize(
    ("edits", "lines"),
    [
        (
            [("replace", "/thresholds/0/above", 1200)],
            ["-   - {id: hot, above: 1000}  # kg/h", "+   - {id: hot, above: 1200}  # kg/h"],
        ),
        ([("replace", "/facility/name", "Hall")], ['-   name: "Works"', '+   name: "Hall"']),
        (
            [("add", "/thresholds/-", {}), ("add", "/thresholds/1/id", "low")],
            ["+   - {id: low}"],
        ),
        (
            [("add", "/sources", [{}]), ("add", "/sources/0/id", "hall")],
            ["+ sources:", "+   - id: hall"],
        ),
        (
            [("add", "/weather", {"temperature": "station.outdoor"})],
            ["- weather:", "+ weather: {temperature: station.outdoor}"],
        ),
        ([("remove", "/devices/0/channels/1")], ["-     - id: power", "-       kind: gauge"]),
        (
            [("add", "/factors/0/valid_to", "2027-01-01"), ("replace", "/factors/0/id", "1")],
            [
                "- factors: [{id: f, valid_from: 2026-01-01}]",
                "+ factors: [{id: '1', valid_from: 2026-01-01, valid_to: 2027-01-01}]",
            ],
        ),
        (
            [("add", "/notify/-", {"email": "shift@example.org"})],
            ["- notify: []", "+ notify:", "+   - {email: shift@example.org}"],
        ),
    ],
)
def test_an_edit_is_written_as_somebody_would(edits: list[Any], lines: list[str]) -> None:
    assert changes(*edits) == lines


def test_a_json_file_stays_json_and_a_file_with_carriage_returns_keeps_them() -> None:
    text = '{\n  "facility": {"id": "works"},\n  "notify": []\n}\n'
    after = edited(text, [Edit(op="add", path="/notify/-", value={"email": "a@example.org"})]).text
    assert json.loads(after)["notify"] == [{"email": "a@example.org"}]
    text = TEXT.replace("\n", "\r\n")
    after = edited(text, [Edit(op="add", path="/facility/timezone", value="UTC")]).text
    assert after.replace("  timezone: UTC\r\n", "") == text


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("a: &x {b: 1}\nc: *x\n", "/c/b", "alias"),
        ("a: &x {b: 1}\nc: *x\n", "/a/b", "other parts"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "/c/b", "merge"),
        (TEXT, "/facility/id/x", "single value"),
        (TEXT, "/devices/7/id", "no entry"),
        (TEXT, "/sources/0", "nothing stands"),
        (TEXT, "facility", "no JSON pointer"),
    ],
)
def test_what_cannot_be_edited_in_place_is_refused(text: str, path: str, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        edited(text, [Edit(op="replace", path=path, value=2)])


@pytest.mark.parametrize("text", ["a: [", "- a\n", "", "a: 1\na: 2\n", "? [a]\n: 1\n"])
def test_a_text_that_is_no_file_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(FacilityFileError):
        edited(text, [])


def test_a_call_reads_no_more_for_many_edits_than_for_one_of_the_longest_text() -> None:
    text = TEXT + "#" * 100_000
    edit = Edit(op="replace", path="/facility/name", value="X")
    with pytest.raises(EditError, match="100 edits are too many for a text so long; send 19"):
        edited(text, [edit] * 100)
