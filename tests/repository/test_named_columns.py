"""Statements of the code name columns of tables: a newer schema may have more of them."""

from __future__ import annotations

import ast
import re

from tests.repository.files import ROOT

_STORE = ROOT / "services" / "core" / "store"

#: Of what a statement answers with: all columns, of one name or of what there is.
_ALL = re.compile(r"\s*SELECT (?:.*?, )?(?:(\w+)\.)?\*", re.DOTALL)
_OF_A_TABLE = re.compile(r"\b(?:FROM|JOIN) (?:public\.)?\w+ (?:AS )?(\w+)\b")


def _is_careless(statement: str) -> bool:
    answers = statement.partition("FROM")[0]
    if (found := _ALL.match(answers)) is None:
        return False
    if found[1] is None:
        return re.match(r"\s*FROM (?:public\.)?\w+(?![\w(])", statement[len(answers) :]) is not None
    return found[1] in _OF_A_TABLE.findall(statement)


def test_no_statement_answers_with_all_columns_of_a_table() -> None:
    """The server refuses a plan whose columns have changed, and records have no place for more."""
    found = []
    for path in sorted(_STORE.rglob("*.py")):
        if "schema" in path.relative_to(_STORE).parts:
            # of migrations and of functions that come with the schema
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "x" for p in node.values]
                text = "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if _is_careless(text):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {text.strip()[:60]}")
    assert found == []


def test_all_columns_of_a_table_are_told_from_those_of_a_list() -> None:
    assert _is_careless("SELECT * FROM factor")
    assert _is_careless("\nSELECT a.*, f.slug FROM alert a JOIN facility f ON true")
    assert not _is_careless("SELECT * FROM unnest(%s) AS u(a)")
    assert not _is_careless("SELECT h.*, m.* FROM (SELECT 1) h CROSS JOIN (SELECT 2) m")
