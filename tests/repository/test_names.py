"""Names in ``services`` are nouns and verbs of the field, as the style page says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_MIGRATIONS = _ROOT / "services" / "core" / "store" / "schema" / "migrations" / "versions"

#: Words that say nothing of what a name stands for, or mean something else in each place.
_REFUSED = frozenset(
    (
        *("alike", "at", "carried", "concerned", "doubts", "each", "edges", "extents", "follows"),
        *(
            "following",
            "found",
            "held",
            "into",
            "judge",
            "judged",
            "kept",
            "mine",
            "most",
            "of",
            "own",
        ),
        *("parted", "recent", "said", "seen", "span", "spans", "succeeded", "there", "told"),
        *("touched", "turn", "undone", "untold", "upto", "what"),
    )
)

#: What is called so outside the code, or in the field: file, name, why.
_ALLOWED = {
    ("services/api/models/alerts.py", "at"): "a key of the HTTP interface",
    ("services/api/models/explanation.py", "held"): "a key of the HTTP interface",
    ("services/core/facility/monitors.py", "at"): "a key of the facility file",
    ("services/core/facility/channels.py", "span"): "a monitor's span, as 40 CFR 75 says it",
    ("services/core/facility/in_force.py", "span"): "a monitor's span, as 40 CFR 75 says it",
    ("services/core/facility/monitors.py", "span"): "a monitor's span, as 40 CFR 75 says it",
    ("services/core/accounting/stack/qa.py", "span"): "a monitor's span, as 40 CFR 75 says it",
    ("services/core/store/schema/tables.py", "touched"): "a table of the database",
}


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find what code gives a name: variables, parameters, attributes, functions, classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)):
                yield node.lineno, name


def _refused(code: str, file: str = "") -> list[str]:
    return [
        f"{file}:{line}: {name}"
        for line, name in _names(ast.parse(code))
        if name.strip("_").lower() in _REFUSED and (file, name) not in _ALLOWED
    ]


def test_names_say_what_they_stand_for() -> None:
    refused = [
        name
        for path in sorted((_ROOT / "services").rglob("*.py"))
        if _MIGRATIONS not in path.parents
        for name in _refused(path.read_text(encoding="utf-8"), str(path.relative_to(_ROOT)))
    ]
    assert not refused, "say what each holds or does (deploy/docs/contribute/glossary.md)"


def test_every_exception_is_used() -> None:
    used = {
        (file, name)
        for file in {file for file, _ in _ALLOWED}
        for _, name in _names(ast.parse((_ROOT / file).read_text(encoding="utf-8")))
    }
    assert set(_ALLOWED) <= used


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "for each in rows: pass",
        "x = [each for each in rows]",
        "def f(of: int) -> None: ...",
        "def _told() -> None: ...",
        "class Recent: ...",
        "self._held = 1",
        "import services.cli.intervals as spans",
        "with connection() as into: pass",
        "f = lambda said: 1",
        "if (kept := f()): pass",
        "_FOUND = 1",
        "try: pass\nexcept ValueError as what: pass",
        "match x:\n    case [seen, *_]: pass",
    ],
)
def test_a_name_without_meaning_is_refused(code: str) -> None:
    assert _refused(code)


@pytest.mark.parametrize(
    "code",
    ["rows = 1", "kept_at = 1", "x = row.found", "f(at=1)", '"""found"""', "np.add.at(a, b)"],
)
def test_other_names_pass(code: str) -> None:
    assert not _refused(code)
