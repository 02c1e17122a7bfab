"""The formula of a derived channel: + - * / ( ) min max over channels and numbers, and no more.

A number may have a percent sign, as 20.9% has: beside a share it says what is meant.

It is parsed here, never evaluated as a program, and bounded in length, parts and depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

#: Characters, parts and levels of one formula: a hundred registers fit in.
LONGEST: Final = 8000
MAX_PARTS: Final = 400
DEEPEST: Final = 40
_GREATEST: Final = 1e15

Sign = Literal["+", "-", "*", "/"]

# A name may hold hyphens, so that a minus between names needs spaces around it.
_TOKEN: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|[-+*/(),%])")
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?(?:[eE]-?\d+)?")
_SLUG: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_NAME: Final = re.compile(rf"(?:({_SLUG})\.)?({_SLUG})")
_BINDS: Final = {"+": 1, "-": 1, "*": 2, "/": 2}


class FormulaError(ValueError):
    """The formula cannot be used; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number, or so many percent."""

    value: float
    is_percent: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A channel, as ``device.channel``."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two parts and what is done with them."""

    sign: Sign
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Choice:
    """The least or the greatest of some parts, in each minute."""

    name: Literal["min", "max"]
    parts: tuple[Node, ...]


Node: TypeAlias = Number | Reference | Operation | Choice


def parse(text: str, device: str) -> Node:
    """Parse a formula; a channel without a device is one of ``device``.

    :raises FormulaError: it is none, or too large.
    """
    if len(text) > LONGEST:
        raise FormulaError(f"it has more than {LONGEST} characters with its channels' full names")
    return _Parser(_tokens(text), device).whole()


def references(node: Node) -> tuple[str, ...]:
    """Return the channels that the formula names, each once, in their order."""
    return tuple(dict.fromkeys(part.name for part in _parts(node) if isinstance(part, Reference)))


def evaluate(node: Node, values: Mapping[str, Floats]) -> Floats:
    """Compute the formula from values of its channels; what cannot be divided is not finite."""
    with np.errstate(all="ignore"):
        return _value(node, values)


def _value(node: Node, values: Mapping[str, Floats]) -> Floats:
    match node:
        case Number(value, is_percent):
            return np.float64(value / 100 if is_percent else value)  # type: ignore[return-value]
        case Reference(name):
            return values[name]
        case Choice(name, parts):
            choose = np.minimum if name == "min" else np.maximum
            return reduce(choose, (_value(part, values) for part in parts))
        case Operation(sign, left, right):
            done: Floats = _OPERATIONS[sign](_value(left, values), _value(right, values))
            return done


_OPERATIONS: Final[dict[Sign, np.ufunc]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
}


def text_of(node: Node) -> str:
    """Write the formula out, every channel by its full name."""
    match node:
        case Number(value, is_percent):
            text = f"{value:.15g}" if float(f"{value:.15g}") == value else repr(value)
            return f"{text}%" if is_percent else text
        case Reference(name):
            return name
        case Choice(name, parts):
            return f"{name}({', '.join(map(text_of, parts))})"
        case Operation(sign, left, right):
            return f"{_within(left, _BINDS[sign])} {sign} {_within(right, _BINDS[sign], last=True)}"


def _within(node: Node, binds: int, *, last: bool = False) -> str:
    text = text_of(node)
    if not isinstance(node, Operation):
        return text
    return f"({text})" if _BINDS[node.sign] < binds + last else text


def _parts(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, Operation):
            waiting += [part.right, part.left]
        elif isinstance(part, Choice):
            waiting += reversed(part.parts)


def _tokens(text: str) -> list[str]:
    tokens, start = [], 0
    end = len(text.rstrip())
    while start < end:
        match = _TOKEN.match(text, start)
        if match is None:
            shown = ascii(text[start:].strip()[0])
            raise FormulaError(
                f"{shown} has no meaning in it: a formula holds channels, numbers, + - * / ( ) %"
                " and min( , ), max( , )"
            )
        tokens.append(match[1])
        start = match.end()
    return tokens


class _Parser:
    """Recursive descent; the depth is counted, so that Python's own is never reached."""

    def __init__(self, tokens: list[str], device: str) -> None:
        self._tokens = tokens
        self._device = device
        self._place = 0
        self._parts = 0
        self._depth = 0

    def whole(self) -> Node:
        """Parse all of it."""
        node = self._sum()
        if self._place < len(self._tokens):
            raise FormulaError(
                f"{self._tokens[self._place][:60]!r} stands where + - * / or its end is expected"
            )
        return node

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaError(f"it is nested deeper than {DEEPEST} levels")
        node = self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._part))
        self._depth -= 1
        return node

    def _chain(self, signs: tuple[Sign, ...], part: Callable[[], Node]) -> Node:
        node = part()
        while (sign := self._peek()) in signs:
            self._place += 1
            node = self._counted(Operation(sign, node, part()))
        return node

    def _part(self) -> Node:
        word = self._next()
        if word == "(":
            node = self._sum()
            self._expect(")")
            return node
        if word == "-":
            self._depth += 1
            if self._depth > DEEPEST:
                raise FormulaError(f"it is nested deeper than {DEEPEST} levels")
            operand = self._part()
            self._depth -= 1
            if isinstance(operand, Number):
                return Number(-operand.value, operand.is_percent)
            return self._counted(Operation("*", Number(-1.0), operand))
        if word in {"min", "max"} and self._peek() == "(":
            return self._choice("min" if word == "min" else "max")
        if _NUMBER.fullmatch(word):
            value = float(word)
            if value >= _GREATEST:
                raise FormulaError(f"{word[:40]} is not a number that any plant on earth needs")
            is_percent = self._peek() == "%"
            self._place += is_percent
            return self._counted(Number(value, is_percent))
        return self._counted(self._reference(word))

    def _choice(self, name: Literal["min", "max"]) -> Node:
        self._expect("(")
        parts = [self._sum()]
        while self._peek() == ",":
            self._place += 1
            parts.append(self._sum())
        self._expect(")")
        return self._counted(Choice(name, tuple(parts)))

    def _reference(self, word: str) -> Reference:
        name = _NAME.fullmatch(word)
        if name is None:
            raise FormulaError(
                f"{word[:60]!r} is neither a channel nor a number nor one of + - * / ( )"
            )
        return Reference(f"{name[1] or self._device}.{name[2]}")

    def _counted(self, node: Node) -> Node:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormulaError(f"it has more than {MAX_PARTS} parts")
        return node

    def _peek(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self) -> str:
        word = self._peek()
        if word is None:
            raise FormulaError("it ends where a channel or a number is expected")
        self._place += 1
        return word

    def _expect(self, word: str) -> None:
        if self._peek() != word:
            other = self._peek()
            stands = "its end" if other is None else repr(other[:60])
            raise FormulaError(f"{stands} stands where {word!r} is expected")
        self._place += 1
