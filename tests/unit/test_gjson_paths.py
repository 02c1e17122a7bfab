"""Paths of GJSON lead where its SYNTAX.md and tidwall/gjson 1.18 say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.deploy.gjson_paths import NothingThereError, get

FRIENDS = {
    "name": {"first": "Tom", "last": "Anderson"},
    "children": ["Sara", "Alex", "Jack"],
    "friends": [
        {"first": "Dale", "last": "Murphy", "age": 44, "nick": None},
        {"first": "Roger", "last": "Craig", "age": 68, "nick": "Rodge"},
        {"first": "Jane", "last": "Murphy", "age": 47},
    ],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name.last", "Anderson"),
        ("children.#", 3),
        ("children.1", "Alex"),
        ("friends.#.first", ["Dale", "Roger", "Jane"]),
        ("friends.#.nick", [None, "Rodge"]),
        ('friends.#(last=="Murphy").first', "Dale"),
        ('friends.#(last=="Murphy")#.first', ["Dale", "Jane"]),
        ('friends.#(last=="Murphy")#|#(age==47)#', [FRIENDS["friends"][2]]),
        ('friends.#(last=="Nobody")#', []),
        ('friends.#(last!="Murphy")#.age', [68]),
        ("friends.#(nick==~null)#.first", ["Dale", "Jane"]),
        ("friends.#(nick!=~null)#.first", ["Roger"]),
        ('friends.#(age==44)#|#.{"who":first,"none":no}', [{"who": "Dale"}]),
        ('{"a":name.first,"b":no.such,"n":children.#}', {"a": "Tom", "n": 3}),
        ("[name.first,no,children.0]", ["Tom", "Sara"]),
        # an expression of JSONata in brackets finds an object without any key
        ('[{"rate": children}]', [{}]),
    ],
)
def test_a_path_leads_where_the_syntax_says(path: str, value: Any) -> None:
    assert get(FRIENDS, path) == value


@pytest.mark.parametrize("path", ["no", "name.no", 'friends.#(last=="Nobody")', "name.#"])
def test_a_path_that_leads_nowhere_says_so(path: str) -> None:
    with pytest.raises(NothingThereError):
        get(FRIENDS, path)


@pytest.mark.parametrize(
    "path", ["@reverse", "friends.#(age>45)#", 'friends.#(last%"M*")#', "{name", "na*e", "{name}"]
)
def test_what_is_not_read_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"not|without"):
        get(FRIENDS, path)
