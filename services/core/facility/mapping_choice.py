"""Expressions that select several things and keep one: ``[?macid=='x'].kwh | [0]``.

Such an expression names the reading of a meter among those of others. Where a gateway sends two
readings of that meter in one message, keeping the first would lose the second and nobody would
hear of it. It is therefore taken apart: what is selected, and what is done with the one.

``| [:1] | [0]`` keeps the first on purpose, and is left alone.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

#: As JMESPath's parser makes it: a dict of type, children and value.
Node = Any

_IDENTITY: Final = {"type": "identity", "children": []}

#: What may stand around the place that picks, and be done with what was picked.
_GOES_ON: Final = frozenset(
    {"subexpression", "index_expression", "or_expression", "pipe", "function_expression"}
)


class Choice(NamedTuple):
    """An expression, taken apart."""

    #: to the things that are selected, each still whole
    elements: Node
    #: from one of them to what is selected of it
    of_each: Node
    #: from an array of one such to what is kept of it
    pick: Node


def taken_apart(tree: Node, *, lists: bool) -> Choice | None:
    """Return the parts of an expression that keeps one of several; ``lists``: or all.

    None: it is of another kind.
    """
    if lists and _is_projection(tree):
        return _choice(tree, _picked(0))
    if tree["type"] == "function_expression" and len(tree["children"]) == 1:
        inner = taken_apart(tree["children"][0], lists=False)
        return inner and inner._replace(pick={**tree, "children": [inner.pick]})
    if tree["type"] not in {"pipe", "subexpression", "index_expression"}:
        return None
    left, *rest = tree["children"]
    if drops_others(tree):
        is_pipe = tree["type"] == "pipe"
        return _choice(left, rest[0] if is_pipe else {**tree, "children": [_IDENTITY, *rest]})
    inner = taken_apart(left, lists=False)
    return inner and inner._replace(pick={**tree, "children": [inner.pick, *rest]})


def drops_others(tree: Node) -> bool:
    """Whether the expression keeps the first or last of what its first part selects."""
    if tree["type"] not in {"pipe", "index_expression"}:
        return False
    left, right = tree["children"][:2]
    return _is_projection(left) and _begins_with_pick(right)


def _choice(projection: Node, pick: Node) -> Choice:
    if projection["type"] == "pipe":
        before, last = projection["children"]
        inner = _choice(last, pick)
        return inner._replace(elements={**projection, "children": [before, inner.elements]})
    base, of_each, *condition = projection["children"]
    elements = {**projection, "children": [base, _IDENTITY, *condition]}
    return Choice(elements, of_each, pick)


def _is_projection(node: Node) -> bool:
    if node["type"] == "pipe":
        return _is_projection(node["children"][1])
    if node["type"] == "projection":
        base = node["children"][0]
        # a slice says itself how many are wanted
        return not (base["type"] == "index_expression" and base["children"][-1]["type"] == "slice")
    return node["type"] in {"filter_projection", "value_projection"}


def _begins_with_pick(node: Node) -> bool:
    while node["type"] in _GOES_ON:
        first, *others = node["children"]
        node = others[0] if others and first["type"] == "identity" else first
    return node["type"] == "index" and node["value"] in {0, -1}


def _picked(place: int) -> Node:
    index = {"type": "index", "value": place, "children": []}
    return {"type": "index_expression", "children": [_IDENTITY, index]}
