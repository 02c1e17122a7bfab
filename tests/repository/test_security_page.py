"""Every test that the page on security names is there."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.repository.files import ROOT

_PAGE = (ROOT / "deploy" / "docs" / "security.md").read_text(encoding="utf-8")
#: `test_file.py`, `tests/path/test_file.py`, either with `::test_name`, or `test_name` alone.
_NAMED = re.compile(r"`((?:tests/[a-z0-9_/]+/)?test_[a-z0-9_]+\.py)?(?:::)?(test_[a-z0-9_]+)?`")


def _names_by_file() -> dict[str, set[str]]:
    """The tests of each file, by its path and by its name alone."""
    names: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        found = set(re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
        for name in (path.name, str(path.relative_to(ROOT))):
            names[name] |= found
    return names


def test_every_test_that_is_named_is_there() -> None:
    files = _names_by_file()
    every = set().union(*files.values())
    named = [match.groups() for match in _NAMED.finditer(_PAGE) if any(match.groups())]
    assert len(named) > 130
    missing = [
        (file, name)
        for file, name in named
        if (file is not None and file not in files)
        or (name is not None and name not in (every if file is None else files[file]))
    ]
    assert not missing


def test_every_row_of_the_standards_says_what_shows_it_or_that_it_is_not_tonnes() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in _PAGE.split("## Against the standards")[1].splitlines()
        if re.match(r"\| (API\d|I\d|5\.\d|SR)", line)
    ]
    assert len(rows) > 45
    unshown = [
        row[0]
        for row in rows
        if "test_" not in row[2]
        and not re.search("not tonne's|the table above|SECURITY.md", row[1])
    ]
    assert not unshown
