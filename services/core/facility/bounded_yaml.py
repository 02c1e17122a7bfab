"""YAML that is measured while it is read: how deep it goes, and how much it is with its aliases.

An alias stands for all that its anchor names, so a few hundred bytes can stand for millions of
parts. They are counted before anything is built of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor, SafeConstructor
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node
from ruamel.yaml.parser import Parser
from ruamel.yaml.scanner import Scanner

#: A facility file goes seven levels deep.
DEEPEST: Final = 40

#: What a key or value has at least on average, where a file is written by people.
_BYTES_A_NODE: Final = 20


class TooMuchError(ValueError):
    """The document is more than may be read; ``line`` is counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def load_yaml(text: str, *, max_bytes: int) -> Any:
    """Read YAML with its lines: ruamel's round-trip types.

    :raises TooMuchError: it is longer than ``max_bytes``, or has more keys and values than belong
        to that length, aliases written out.
    :raises ruamel.yaml.error.YAMLError, ValueError, RecursionError: it is no YAML.
    """
    return _reader(text, max_bytes, _Composer).load(text)


def compose_yaml(text: str, *, max_bytes: int) -> Node | None:
    """Read YAML as its nodes, each with where it stands in the text; None: there is nothing.

    An alias is a node of its own, :class:`AliasNode`. Errors as :func:`load_yaml`.
    """
    root: Node | None = _reader(text, max_bytes, _AliasComposer).compose(text)
    return root


def _reader(text: str, max_bytes: int, composer: type[_Composer]) -> YAML:
    if len(text.encode(errors="replace")) > max_bytes:
        raise TooMuchError(1, f"it has more than {max_bytes} bytes")
    max_nodes = max_bytes // _BYTES_A_NODE
    if max(map(text.count, ",\n")) > max_nodes:
        # said at once; to read it would take long
        raise TooMuchError(1, _too_many(max_nodes))
    reader = YAML(typ="rt")

    class Bounded(composer):  # type: ignore[misc, valid-type]
        limit = max_nodes

    reader.Composer = Bounded
    # comments are read by nobody, and cost a fifth of the time
    reader.Scanner, reader.Parser = Scanner, Parser
    reader.Constructor = _Constructor
    return reader


def _too_many(max_nodes: int) -> str:
    return f"it has more than {max_nodes} keys and values, those that aliases stand for included"


class _Composer(Composer):
    limit: int

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self._deep = 0
        self._nodes = 0
        #: how many there are in what an anchor may name, by node
        self._within: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node with all that is in it."""
        event = self.parser.peek_event()
        line = event.start_mark.line + 1
        if self._deep >= DEEPEST:
            raise TooMuchError(line, f"it is nested deeper than {DEEPEST} levels")
        before = self._nodes
        self._deep += 1
        node = super().compose_node(parent, index)
        self._deep -= 1
        if isinstance(event, AliasEvent):
            if id(node) not in self._within:
                raise TooMuchError(line, f"the alias *{event.anchor} stands in what it names")
            self._nodes += self._within[id(node)]
        else:
            self._nodes += 1
            self._within[id(node)] = self._nodes - before
        if self._nodes > self.limit:
            raise TooMuchError(line, _too_many(self.limit))
        return node


class AliasNode(Node):
    """Where an alias stands; ``value`` is the node that it stands for."""

    __slots__ = ()
    id = "alias"


class _AliasComposer(_Composer):
    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; an alias keeps its own place."""
        event = self.parser.peek_event()
        node = super().compose_node(parent, index)
        if not isinstance(event, AliasEvent):
            return node
        return AliasNode(node.ctag, node, event.start_mark, event.end_mark)


class _Map(CommentedMap):
    def add_referent(self, cm: Any) -> None:
        """Forget who merges this mapping: only a mapping that is changed has to know.

        ruamel compares each newcomer with all before it, which takes minutes for ten thousand.
        """


class _Constructor(RoundTripConstructor):
    def construct_yaml_map(self, node: Any) -> Iterator[CommentedMap]:
        """Construct a mapping with its lines."""
        data = _Map()
        data._yaml_set_line_col(node.start_mark.line, node.start_mark.column)  # noqa: SLF001
        yield data
        self.construct_mapping(node, data, deep=True)

    def construct_yaml_timestamp(self, node: Any, values: Any = None) -> Any:
        """Construct a date or time; one that no calendar or clock has is told with its line."""
        try:
            return super().construct_yaml_timestamp(node, values)
        except (ValueError, OverflowError):
            message = f"{node.value} is no date or time that there is: correct it"
            raise ConstructorError(problem=message, problem_mark=node.start_mark) from None


_Constructor.add_constructor("tag:yaml.org,2002:map", _Constructor.construct_yaml_map)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_yaml_timestamp)
# how a number was written is nothing that anybody asks for
_Constructor.add_constructor("tag:yaml.org,2002:int", SafeConstructor.construct_yaml_int)
_Constructor.add_constructor("tag:yaml.org,2002:float", SafeConstructor.construct_yaml_float)
