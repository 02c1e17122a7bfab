"""Reads paths of GJSON, as far as dashboards use them, by the rules of its SYNTAX.md.

Keys, ``#``, the queries ``#(key==value)`` and ``#(key==value)#``, ``.`` and ``|``, and the
multipaths ``{"name":path,...}`` and ``[path,...]``. What it cannot read is refused, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_CLOSING = {"{": "}", "[": "]", "(": ")"}
_QUERY = re.compile(r"(\w+)(==|!=)(.+)")
_KEY = re.compile(r"\w+")


class NothingThereError(LookupError):
    """A path leads to nothing."""


def get(body: Any, path: str) -> Any:
    """Return what a path leads to.

    :raises NothingThereError: it leads to nothing.
    :raises ValueError: it has what dashboards do not use.
    """
    first, separator, rest = _cut(path)
    if first == "#":
        return _of_each(body, separator, rest)
    if first.startswith("#("):
        return _queried(body, first, separator, rest)
    read = _multipath if first[:1] in ("{", "[") else _key
    value = read(body, first)
    return get(value, rest) if separator else value


def _cut(path: str) -> tuple[str, str, str]:
    """Cut a path behind its first component, outside of brackets and quotes."""
    for index in _outside(path):
        if path[index] in ".|":
            return path[:index], path[index], path[index + 1 :]
    return path, "", ""


def _outside(text: str) -> Iterator[int]:
    """Return the places of characters that are in no bracket and in no quotes."""
    open_brackets: list[str] = []
    in_quotes = False
    for index, character in enumerate(text):
        if character == '"':
            in_quotes = not in_quotes
        elif in_quotes:
            continue
        elif character in _CLOSING:
            open_brackets.append(_CLOSING[character])
        elif open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
        elif not open_brackets:
            yield index
    if open_brackets or in_quotes:
        raise ValueError(f"not closed: {text}")


def _key(body: Any, key: str) -> Any:
    if isinstance(body, dict):
        if key in body:
            return body[key]
        # a space is part of a key: none has one, so that JSONata is found nowhere
        if _KEY.fullmatch(key.strip()):
            raise NothingThereError(key)
    elif isinstance(body, list) and key.isdecimal() and int(key) < len(body):
        return body[int(key)]
    elif _KEY.fullmatch(key.strip()):
        raise NothingThereError(key)
    raise ValueError(f"not read here: {key}")


def _of_each(body: Any, separator: str, rest: str) -> Any:
    if not isinstance(body, list):
        raise NothingThereError("#")
    if not separator:
        return len(body)
    if separator == "|":
        raise ValueError("not read here: #|")
    return _each(body, rest)


def _each(elements: list[Any], path: str) -> list[Any]:
    """Return what a path leads to from each element; those where it leads nowhere have none."""
    values = []
    for element in elements:
        try:
            values.append(get(element, path))
        except NothingThereError:
            continue
    return values


def _queried(body: Any, first: str, separator: str, rest: str) -> Any:
    if not isinstance(body, list):
        raise NothingThereError(first)
    query, all_of_them = first[2:].removesuffix("#")[:-1], first.endswith(")#")
    holds = _condition(query)
    chosen = [element for element in body if holds(element)]
    if all_of_them:
        if not separator:
            return chosen
        return get(chosen, rest) if separator == "|" else _each(chosen, rest)
    if not chosen:
        raise NothingThereError(first)
    return get(chosen[0], rest) if separator else chosen[0]


def _condition(query: str) -> Callable[[Any], bool]:
    match = _QUERY.fullmatch(query)
    if match is None:
        raise ValueError(f"not read here: {query}")
    key, operator, text = match.groups()

    def holds(element: Any) -> bool:
        is_there = isinstance(element, dict) and key in element
        value = element[key] if is_there else None
        if text == "~null":
            equal = value is None
        elif not is_there:
            # what is not there is neither equal nor unequal
            return False
        else:
            equal = value == json.loads(text) and type(value) is not bool
        return equal if operator == "==" else not equal

    return holds


def _multipath(body: Any, text: str) -> Any:
    inner = text[1:-1]
    commas = [index for index in _outside(inner) if inner[index] == ","]
    parts = [
        inner[begin + 1 : end]
        for begin, end in zip([-1, *commas], [*commas, len(inner)], strict=True)
    ]
    if text[0] == "[":
        return _each_of(body, parts)
    members = {}
    for part in parts:
        name, colon, path = part.partition('":')
        if not (colon and name.startswith('"')):
            raise ValueError(f"a member without a name: {part}")
        try:
            members[name[1:]] = get(body, path)
        except NothingThereError:
            continue
    return members


def _each_of(body: Any, paths: list[str]) -> list[Any]:
    return [value for path in paths for value in _each([body], path)]
