"""A facility file as the places of its parts in the text, and as the values that they state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from services.core.facility.bounded_yaml import AliasNode, compose_yaml
from services.core.facility.errors import FacilityFileError, Problem
from services.core.facility.file import key_text, refuse_what_is_no_yaml

_MERGE: Final = "tag:yaml.org,2002:merge"
#: Of scalars, those that JSON has; all others are what is written.
_READERS: Final = {
    "tag:yaml.org,2002:null": lambda _reader, _node: None,
    "tag:yaml.org,2002:bool": SafeConstructor.construct_yaml_bool,
    "tag:yaml.org,2002:int": SafeConstructor.construct_yaml_int,
    "tag:yaml.org,2002:float": SafeConstructor.construct_yaml_float,
}
_READER: Final = YAML(typ="safe", pure=True).constructor


class EditError(ValueError):
    """The text cannot be edited so; the message says what to do instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A text that is YAML or JSON with a mapping, read for edits."""

    text: str
    root: MappingNode
    #: what it states, of JSON's kinds; days and instants are texts as they are written
    value: dict[str, Any]

    @classmethod
    def read(cls, text: str, *, max_bytes: int) -> Document:
        """Read a text.

        :raises FacilityFileError: it is no YAML, too much, or no mapping.
        """
        with refuse_what_is_no_yaml():
            root = compose_yaml(text, max_bytes=max_bytes)
            if not isinstance(root, MappingNode):
                message = "a facility file starts with facility: {id: ...}"
                raise FacilityFileError([Problem(line=1, message=message)])
            return cls(text=text, root=root, value=_value(root))

    def nodes(self, steps: Sequence[str | int]) -> list[Node]:
        """Return the nodes from the document down to where ``steps`` lead.

        :raises EditError: they lead into what an alias or a merge brings.
        """
        nodes: list[Node] = [self.root]
        for step in steps:
            node = nodes[-1]
            if isinstance(node, SequenceNode) and isinstance(step, int):
                nodes.append(node.value[step])
                continue
            i = key_index(node, step)
            if i is None:
                raise EditError(
                    f"{step} stands in what an alias or a merge (*, <<) brings here;"
                    " change it in the text"
                )
            nodes.append(node.value[i][1])
        return nodes


def key_index(node: Node, key: str | int) -> int | None:
    """Return which pair of a mapping has the key; None: none that is written there."""
    if not isinstance(node, MappingNode):
        return None
    pairs = ((i, pair[0]) for i, pair in enumerate(node.value))
    return next(
        (i for i, name in pairs if name.tag != _MERGE and key_text(_value(name)) == key), None
    )


def _value(node: Node) -> Any:
    if isinstance(node, AliasNode):
        return _value(node.value)
    if isinstance(node, SequenceNode):
        return [_value(entry) for entry in node.value]
    if isinstance(node, MappingNode):
        return _mapping(node)
    reader = _READERS.get(str(node.tag))
    value = node.value if reader is None else reader(_READER, node)
    # JSON has no infinity
    return node.value if isinstance(value, float) and not math.isfinite(value) else value


def _mapping(node: MappingNode) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    written: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            merges = _value(value_node)
            for part in merges if isinstance(merges, list) else [merges]:
                merged = {**part, **merged}
            continue
        key = key_text(_value(key_node)) if _is_scalar(key_node) else None
        mark = key_node.start_mark
        if key is None or key in written:
            wrong = "a key is a list or mapping" if key is None else f"the key {key} is there twice"
            problem = Problem(line=mark.line + 1, column=mark.column + 1, message=wrong)
            raise FacilityFileError([problem])
        written[key] = _value(value_node)
    return {**merged, **written}


def _is_scalar(node: Node) -> bool:
    return isinstance(node.value if isinstance(node, AliasNode) else node, ScalarNode)
