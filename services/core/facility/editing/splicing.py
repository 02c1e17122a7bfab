"""Put a value into the text of a YAML document, or take one out, where its nodes stand.

Each function returns the whole text; whether it states what was meant is the caller's to check.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from services.core.facility.editing.document import EditError, key_index
from services.core.facility.editing.writing import Writing

#: A line on which nothing but a comment stands behind a colon or dash.
_OPEN: Final = re.compile(r"(.*?[:?-])\s*(?:#.*)?")
_BLANK: Final = re.compile(r"\s*(?:#.*)?")


class Splicing:
    """One text that is edited once."""

    def __init__(self, text: str, root: MappingNode) -> None:
        self._text = text
        self._break = "\r\n" if "\r\n" in text else "\n"
        self._writing = Writing(as_json=bool(root.flow_style))

    def with_value(self, parent: Node, node: Node, value: Any, *, key: str | int) -> str:
        """Put ``value`` in the place of ``node``, the value of ``key``."""
        if _is_flow(parent) or self._goes_in_line(node, value):
            return self._in_line(node, self._writing.line(value, key=key, like=_quotes(node)))
        return self._below(parent, node, self._writing.lines(value))

    def with_pair(self, outer: Node | None, mapping: MappingNode, key: str, value: Any) -> str:
        """State ``key`` at the end of a mapping that does not have it."""
        if not mapping.value:
            return self._grown(outer, mapping, {key: value})
        last = _end(self._text, mapping.value[-1][1])
        if _is_flow(mapping):
            written = f", {self._writing.line(key)}: {self._writing.line(value, key=key)}"
            return self._spliced(last, last, written)
        column = mapping.value[0][0].start_mark.column
        return self._after_line(last, column, self._writing.pair(key, value))

    def with_entry(self, outer: Node | None, sequence: Node, i: int, value: Any) -> str:
        """Put an entry before the one that is number ``i`` of a list, or behind its last one."""
        entries = sequence.value
        if not entries:
            return self._grown(outer, sequence, [value])
        neighbour = entries[i - 1] if i else entries[0]
        if _is_flow(sequence):
            place = _end(self._text, neighbour) if i else _begin(self._text, neighbour)
            line = self._writing.line(value)
            return self._spliced(place, place, f", {line}" if i else f"{line}, ")
        dash = self._dash(entries[0])
        column = dash - self._line_start(dash)
        written = self._writing.entry(value, in_one_line=_is_flow(neighbour))
        if i:
            return self._after_line(_end(self._text, neighbour), column, written)
        lines = (self._break + " " * column).join([*written, ""])
        return self._spliced(dash, dash, lines)

    def without_pair(self, outer: Node | None, mapping: MappingNode, key: str) -> str:
        """Take a key and its value out of a mapping."""
        i = key_index(mapping, key)
        if i is None:
            raise EditError(f"{key} stands in what a merge (<<) brings here; change it in the text")
        if len(mapping.value) == 1:
            return self._emptied(outer, mapping, "{}")
        ranges = [(name.start_mark.index, _end(self._text, part)) for name, part in mapping.value]
        return self._without(mapping, ranges, i)

    def without_entry(self, outer: Node | None, sequence: Node, i: int) -> str:
        """Take an entry out of a list."""
        entries = sequence.value
        if len(entries) == 1:
            return self._emptied(outer, sequence, "[]")
        begin = (lambda node: node.start_mark.index) if _is_flow(sequence) else self._dash
        ranges = [(begin(node), _end(self._text, node)) for node in entries]
        return self._without(sequence, ranges, i)

    def _without(self, collection: Node, ranges: list[tuple[int, int]], i: int) -> str:
        begin, end = ranges[i]
        if _is_flow(collection):
            if i:
                return self._spliced(ranges[i - 1][1], end, "")
            return self._spliced(begin, ranges[1][0], "")
        after = self._line_end(end)
        line = self._line_start(begin)
        if self._text[line:begin].isspace() or line == begin:
            next_line = self._text.find("\n", after) + 1
            if next_line:
                return self._spliced(line, next_line, "")
            return self._spliced(len(self._text[:line].rstrip("\r\n")), after, "")
        # it shares its line with the dash of what it stands in: the next one moves there
        if self._text[after : ranges[1][0]].isspace():
            return self._spliced(begin, ranges[1][0], "")
        return self._spliced(len(self._text[:begin].rstrip(" ")), after, "")

    def _grown(self, outer: Node | None, empty: Node, value: Any) -> str:
        """State the first part of what is written as ``{}`` or ``[]``."""
        if outer is None or _is_flow(outer) or self._stays_flow(outer, empty):
            written = self._writing.line(value)[1:-1]
            place = empty.end_mark.index - 1
            return self._spliced(place, place, written)
        return self._below(outer, empty, self._writing.lines(value))

    @staticmethod
    def _stays_flow(outer: Node, empty: Node) -> bool:
        """Tell whether an empty entry stands among others that are written in braces."""
        others = [node for node in outer.value if node is not empty]
        return isinstance(outer, SequenceNode) and bool(others) and all(map(_is_flow, others))

    def _emptied(self, outer: Node | None, collection: Node, written: str) -> str:
        if outer is None and not _is_flow(collection):
            begin = collection.value[0][0].start_mark.index
            return self._spliced(begin, _end(self._text, collection), written)
        return self._in_line(collection, written)

    def _goes_in_line(self, node: Node, value: Any) -> bool:
        if not isinstance(value, dict | list) or not value:
            return True
        return not _is_block(node) and self._writing.is_short(value)

    def _in_line(self, node: Node, written: str) -> str:
        """Put one line in the place of a value, behind its colon or dash."""
        begin, end = _begin(self._text, node), _end(self._text, node)
        if begin < end and not _is_block(node):
            return self._spliced(begin, end, written)
        place = _opened(self._text, begin)
        if self._text[place - 1 : place] not in {":", "-", "?"}:
            return self._spliced(place, place, f": {written}")
        between = self._text[place:begin].rstrip()
        return self._spliced(place, end, f" {written}{between}")

    def _below(self, parent: Node, node: Node, lines: list[str]) -> str:
        """Put lines in the place of a value, below its key or at its dash."""
        begin, end = _begin(self._text, node), _end(self._text, node)
        place = _opened(self._text, begin)
        between = self._text[place:begin].rstrip()
        if isinstance(parent, SequenceNode):
            column = place - self._line_start(place) + 1
        else:
            column = parent.value[0][0].start_mark.column + 2
        indent = self._break + " " * column
        is_at_dash = isinstance(parent, SequenceNode) and not between
        head = " " if is_at_dash else f"{between}{indent}"
        return self._spliced(place, end, head + indent.join(lines))

    def _after_line(self, place: int, column: int, lines: list[str]) -> str:
        end = self._line_end(place)
        indent = self._break + " " * column
        return self._spliced(end, end, indent + indent.join(lines))

    def _dash(self, entry: Node) -> int:
        """Return where the dash of an entry of a list stands."""
        place = _opened(self._text, entry.start_mark.index)
        if self._text[place - 1 : place] != "-":
            raise EditError("a list is written in an unusual way; change it in the text")
        return place - 1

    def _line_start(self, place: int) -> int:
        return _line_start(self._text, place)

    def _line_end(self, place: int) -> int:
        end = self._text.find("\n", place)
        if end < 0:
            return len(self._text)
        return end - 1 if self._text[end - 1] == "\r" else end

    def _spliced(self, begin: int, end: int, written: str) -> str:
        return f"{self._text[:begin]}{written}{self._text[end:]}"


def _line_start(text: str, place: int) -> int:
    return text.rfind("\n", 0, place) + 1


def _opened(text: str, place: int) -> int:
    """Return the place behind the colon or dash that ``place`` follows, comments passed over."""
    line, end = _line_start(text, place), place
    while True:
        before = text[line:end]
        mark = _OPEN.fullmatch(before)
        if mark is not None:
            return line + mark.end(1)
        if line == 0 or not _BLANK.fullmatch(before):
            return place
        line, end = _line_start(text, line - 1), line - 1


def _begin(text: str, node: Node) -> int:
    """Return where a node begins; one that is empty, behind its colon or dash."""
    begin: int = node.start_mark.index
    return _opened(text, begin) if begin == node.end_mark.index else begin


def _end(text: str, node: Node) -> int:
    """Return where a node ends, without the blank lines and comments below it."""
    if _is_block(node):
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    begin, end = _begin(text, node), node.end_mark.index
    if end in {begin, node.start_mark.index}:
        return begin
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        return begin + len(text[begin:end].rstrip())
    return int(end)


def _is_flow(node: Node) -> bool:
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _is_block(node: Node) -> bool:
    return isinstance(node, CollectionNode) and not node.flow_style


def _quotes(node: Node) -> str | None:
    return node.style if isinstance(node, ScalarNode) else None
