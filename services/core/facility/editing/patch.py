"""Edits of values by JSON pointers: of JSON Patch (RFC 6902) what concerns one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from services.core.facility.editing.document import EditError


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One value that is stated, stated otherwise, or no longer stated."""

    op: Literal["add", "replace", "remove"]
    #: JSON pointer (RFC 6901); in a list ``-`` is behind its end
    path: str
    #: of JSON's kinds; without meaning where something is removed
    value: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where an edit takes place: below ``parent``, at ``step``."""

    parent: tuple[str | int, ...]
    step: str | int
    #: whether something stands there, which is put in the place of or removed
    is_there: bool


def target(document: Any, edit: Edit) -> Target:
    """Return where ``edit`` takes place in a document.

    :raises EditError: the pointer leads nowhere.
    """
    head, *tokens = edit.path.split("/")
    if head or not tokens:
        raise EditError(f"{edit.path!r} is no JSON pointer to a part of the file, such as /sources")
    node, steps = document, []
    for token in tokens[:-1]:
        step = _step(node, token, edit)
        if not _has(node, step):
            raise EditError(f"{edit.path}: nothing stands at {token}; read the document again")
        steps.append(step)
        node = node[step]
    step = _step(node, tokens[-1], edit)
    is_there = _has(node, step)
    if edit.op != "add" and not is_there:
        raise EditError(f"{edit.path}: nothing stands there to {edit.op}; read the document again")
    return Target(
        parent=tuple(steps),
        step=step,
        is_there=is_there and (edit.op != "add" or isinstance(node, dict)),
    )


def patched(document: Any, edit: Edit, place: Target) -> Any:
    """Return the document with the edit; ``document`` stays as it is."""
    return _patched(document, place.parent, edit, place)


def _patched(node: Any, steps: tuple[str | int, ...], edit: Edit, place: Target) -> Any:
    copy: Any = dict(node) if isinstance(node, dict) else list(node)
    if steps:
        copy[steps[0]] = _patched(node[steps[0]], steps[1:], edit, place)
    elif edit.op == "remove":
        del copy[place.step]
    elif isinstance(copy, list) and edit.op == "add":
        copy.insert(int(place.step), edit.value)
    else:
        copy[place.step] = edit.value
    return copy


def _step(node: Any, token: str, edit: Edit) -> str | int:
    if isinstance(node, dict):
        return token.replace("~1", "/").replace("~0", "~")
    if not isinstance(node, list):
        raise EditError(
            f"{edit.path}: {token} would stand in a single value; state a mapping there"
        )
    if token == "-":  # noqa: S105 - of a pointer
        return len(node)
    last = len(node) if edit.op == "add" else len(node) - 1
    if not (token.isascii() and token.isdecimal() and int(token) <= last):
        raise EditError(f"{edit.path}: {token} is no entry of a list of {len(node)}")
    return int(token)


def _has(node: Any, step: str | int) -> bool:
    return step in node if isinstance(node, dict) else isinstance(step, int) and step < len(node)
