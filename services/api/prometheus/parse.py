"""From the text of a query to the expression that is evaluated: the part of PromQL spoken here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, Final

import promql_parser as grammar

from services.api.prometheus.aggregation import OPERATORS as AGGREGATIONS
from services.api.prometheus.expressions import (
    Aggregation,
    Call,
    Cardinality,
    Expression,
    Matching,
    Negation,
    Number,
    Operation,
    Selector,
    Text,
    ValueKind,
)
from services.api.prometheus.functions import FUNCTIONS
from services.api.prometheus.labels import NAME, Matcher, MatchOperator
from services.api.prometheus.operators import OPERATORS, SET_OPERATORS
from services.api.prometheus.patterns import Allowance, Pattern
from services.api.prometheus.refusals import BadQueryError
from services.core.timeline.instants import MILLISECOND

#: The grammar's parser nests as deep as the query does, on a stack of a thread's size.
_MAX_LENGTH: Final = 20_000
_MAX_MARKS: Final = 1_000
_MARKS: Final = re.compile(r"[-+*/%^(<>=!,]|\b(?:and|or|unless|atan2)\b")

#: The grammar's words for operators and cardinalities can be compared, but are no keys.
_MATCH_OPERATORS: Final[Sequence[tuple[Any, MatchOperator]]] = (
    (grammar.MatchOp.Equal, "="),
    (grammar.MatchOp.NotEqual, "!="),
    (grammar.MatchOp.Re, "=~"),
    (grammar.MatchOp.NotRe, "!~"),
)
_CARDINALITIES: Final[Sequence[tuple[Any, Cardinality]]] = (
    (grammar.VectorMatchCardinality.OneToOne, "one"),
    (grammar.VectorMatchCardinality.ManyToOne, "left"),
    (grammar.VectorMatchCardinality.OneToMany, "right"),
    (grammar.VectorMatchCardinality.ManyToMany, "sets"),
)


#: Of the query that is being read.
_allowance: ContextVar[Allowance] = ContextVar("allowance")


def parse(query: str) -> Expression:
    """Read a query.

    :raises BadQueryError: it is not PromQL, or not of the part that is spoken here.
    """
    _check_size([query])
    return _parse(query, Allowance())


def _check_size(texts: Sequence[str]) -> None:
    marks = sum(len(_MARKS.findall(text)) for text in texts)
    if len(texts) + marks > _MAX_MARKS or sum(map(len, texts)) > _MAX_LENGTH:
        raise BadQueryError(
            f"the query is too large: write at most {_MAX_LENGTH} characters with"
            f" {_MAX_MARKS} operators, matchers and parentheses"
        )


def _parse(query: str, allowance: Allowance) -> Expression:
    _allowance.set(allowance)
    try:
        parsed = grammar.parse(query)
    except ValueError as error:
        raise BadQueryError(f'invalid parameter "query": parse error: {error}') from None
    try:
        return _expression(parsed)
    except RecursionError:
        raise BadQueryError("the query is nested too deeply; write a shorter one") from None


def parse_selectors(texts: Sequence[str]) -> list[Selector]:
    """Read selectors of series, as ``match[]`` has them; together they are as large as one query.

    :raises BadQueryError: one of them is anything else, or they are too large.
    """
    _check_size(texts)
    allowance = Allowance()
    return [_selected(text, allowance) for text in texts]


def _selected(text: str, allowance: Allowance) -> Selector:
    expression = _parse(text, allowance)
    if not isinstance(expression, Selector) or expression.range_ms or expression.offset_ms:
        raise BadQueryError(
            f'invalid parameter "match[]": `{text[:60]}` is no selector such as'
            ' tonne_co2_kg_total{facility="linz"}'
        )
    return expression


def _expression(node: Any) -> Expression:
    read = _READERS.get(type(node))
    if read is None:
        raise BadQueryError(f"{type(node).__name__} is not spoken here")
    return read(node)


def _negation(node: grammar.UnaryExpr) -> Negation:
    operand = _expression(node.expr)
    return Negation(operand, operand.kind)


def _subquery(_node: grammar.SubqueryExpr) -> Expression:
    raise BadQueryError(
        "subqueries (`[1h:5m]`) are not spoken here; use a range of a selector (`[1h]`)"
    )


def _selector(node: grammar.VectorSelector, range_ms: int | None = None) -> Selector:
    if node.at is not None:
        raise BadQueryError("the modifier `@` is not spoken here; use `offset` or `time`")
    if node.matchers.or_matchers:
        raise BadQueryError("`or` between matchers is not spoken here; use a regular expression")
    matchers = [_matcher(matcher) for matcher in node.matchers.matchers]
    if node.name is not None:
        matchers.insert(0, Matcher(NAME, "=", node.name))
    offset_ms = 0 if node.offset is None else _ms(node.offset)
    return Selector(tuple(matchers), offset_ms, range_ms)


def _matcher(node: grammar.Matcher) -> Matcher:
    operator = next(word for op, word in _MATCH_OPERATORS if op == node.op)
    if operator in {"=", "!="}:
        return Matcher(node.name, operator, node.value)
    try:
        return Matcher(node.name, operator, node.value, Pattern(node.value, _allowance.get()))
    except ValueError as error:
        raise BadQueryError(str(error)) from None


def _ms(duration: timedelta) -> int:
    return duration // MILLISECOND


def _aggregation(node: grammar.AggregateExpr) -> Aggregation:
    operator = str(node.op)
    if operator not in AGGREGATIONS:
        raise BadQueryError(_unspoken("aggregation", operator, AGGREGATIONS))
    modifier = node.modifier
    return Aggregation(
        operator,
        _expression(node.expr),
        frozenset(() if modifier is None else modifier.labels),
        modifier is not None and modifier.type == grammar.AggModifierType.Without,
    )


def _call(node: grammar.Call) -> Call:
    name = node.func.name
    if name not in FUNCTIONS:
        raise BadQueryError(_unspoken("function", name, FUNCTIONS))
    kind: ValueKind = "scalar" if name in {"scalar", "time"} else "vector"
    return Call(name, tuple(map(_expression, node.args)), kind)


def _operation(node: grammar.BinaryExpr) -> Operation:
    operator = str(node.op).strip()
    if operator not in OPERATORS and operator not in SET_OPERATORS:
        raise BadQueryError(_unspoken("operator", operator, [*OPERATORS, *SET_OPERATORS]))
    left, right = _expression(node.lhs), _expression(node.rhs)
    modifier = node.modifier
    kind: ValueKind = "scalar" if left.kind == right.kind == "scalar" else "vector"
    return Operation(
        operator,
        left,
        right,
        _matching(modifier, operator),
        modifier is not None and modifier.return_bool,
        kind,
    )


def _matching(modifier: grammar.BinModifier | None, operator: str) -> Matching:
    cardinality: Cardinality = "sets" if operator in SET_OPERATORS else "one"
    if modifier is None:
        return Matching(cardinality=cardinality)
    fill = modifier.fill_values
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise BadQueryError("`fill` is not spoken here; use `or`")
    matched = modifier.matching
    return Matching(
        on=matched is not None and matched.type == grammar.LabelModifierType.Include,
        labels=frozenset(() if matched is None else matched.labels),
        cardinality=cardinality if cardinality == "sets" else _cardinality(modifier),
        include=tuple(modifier.group_labels or ()),
    )


def _cardinality(modifier: grammar.BinModifier) -> Cardinality:
    return next(word for card, word in _CARDINALITIES if card == modifier.card)


def _unspoken(noun: str, name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    return f"the {noun} `{name}` is not spoken here; there are {', '.join(known)}"


#: How each kind of node is read.
_READERS: Final[Mapping[type[Any], Callable[[Any], Expression]]] = {
    grammar.NumberLiteral: lambda node: Number(node.val),
    grammar.StringLiteral: lambda node: Text(node.val),
    grammar.ParenExpr: lambda node: _expression(node.expr),
    grammar.VectorSelector: _selector,
    grammar.MatrixSelector: lambda node: _selector(node.vector_selector, _ms(node.range)),
    grammar.UnaryExpr: _negation,
    grammar.AggregateExpr: _aggregation,
    grammar.Call: _call,
    grammar.BinaryExpr: _operation,
    grammar.SubqueryExpr: _subquery,
}
