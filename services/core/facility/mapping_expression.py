"""JMESPath within bounds: compiled if it is small enough, evaluated on a budget.

A few hundred characters of JMESPath can double what they hold with every step, so neither the
length of an expression nor that of a message bounds what it costs. What is counted are the nodes
of the expression that are visited and the values and characters that are gone through or made; a
function pays for its arguments before it is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter, Visitor, _Expression

from services.core.facility.beside import Beside, named
from services.core.facility.mapping_choice import drops_others

#: Steps that one message may cost by default: some 0.3 s, where an honest one takes a few thousand.
MAX_STEPS: Final = 200_000

#: Small messages may cost less: the default share of an empty one, and what each byte adds.
_STEPS_OF_A_MESSAGE: Final = 20_000
_STEPS_OF_A_BYTE: Final = 50

#: How an expression may be built; its length is bounded where the facility file is read.
MAX_NODES: Final = 400
DEEPEST: Final = 60

#: So many characters of a text cost as much as one step: they are copied or compared in bulk.
_CHARACTERS_A_STEP: Final = 64

#: What an empty message may cost, at which an expression is tried once before it is taken.
_STEPS_OF_A_TRIAL: Final = 5_000

#: How often a text is compared while many are sorted.
_COMPARISONS: Final = 16

#: Functions that go through everything in their arguments, and those that go through the texts of
#: an array; the others take arguments as they are, or one element after the other.
_LOOKS_DEEP: Final = frozenset({"contains", "to_string"})
_LOOKS_AT_TEXTS: Final = frozenset({"join", "max", "min", "sort"})

_LONGEST_REASON: Final = 200

#: As the parser makes it: a dict of type, children and value.
Node: TypeAlias = Any


class OverBudgetError(ValueError):
    """An expression is larger than one may be, or costs more than a message may."""


class DroppedError(ValueError):
    """An expression would keep one of several things and lose the others."""


class ExpressionError(ValueError):
    """The text is no expression; the message says why."""


class Budget:
    """Steps that are left to one message, shared by all expressions that it goes through.

    ``beside``: what stands beside the payload of that message, for who names it.
    """

    def __init__(self, limit: int = MAX_STEPS, beside: Beside | None = None) -> None:
        self.beside = beside or Beside()
        self._limit = limit
        self._given = limit
        self.left = limit

    def renew(self, payload_bytes: int | None = None) -> None:
        """Begin another message; what it may cost grows with its size, up to the most."""
        self._given = self._limit
        if payload_bytes is not None:
            self._given = min(self._limit, _STEPS_OF_A_MESSAGE + _STEPS_OF_A_BYTE * payload_bytes)
        self.left = self._given

    def pay(self, steps: int) -> None:
        """Take steps off.

        :raises OverBudgetError: there are not as many left.
        """
        self.left -= steps
        if self.left < 0:
            raise OverBudgetError(f"it takes more than {self._given} steps")


class Expression:
    """An expression, compiled."""

    def __init__(self, text: str | Node, budget: Budget) -> None:
        """Compile ``text``, or take a tree of its kind; what it costs is taken from ``budget``.

        :raises ExpressionError: it is no JMESPath.
        :raises OverBudgetError: it is too large.
        """
        self.tree: Node = _compiled(text) if isinstance(text, str) else text
        self._nodes = _count(self.tree)
        self.budget = budget
        self._interpreter = _Interpreter(budget)

    def __call__(self, document: Any) -> Any:
        """Evaluate it.

        :raises OverBudgetError: it costs more than is left.
        :raises Exception: whatever JMESPath's functions raise on values they do not expect.
        """
        self.budget.pay(self._nodes)
        return self._interpreter.visit(self.tree, document)


def check(text: str) -> None:
    """Try an expression at an empty message; what stands beside a payload is none.

    :raises ExpressionError: it is no JMESPath, with the reason.
    :raises OverBudgetError: it is too large, or costs too much.
    """
    if named(text) is not None:
        return
    expression = Expression(text, Budget(_STEPS_OF_A_TRIAL))
    try:
        expression({})
    except OverBudgetError:
        raise OverBudgetError(
            "it costs too much even where there is nothing to select: leave out what only"
            " multiplies, such as [@, @] again and again"
        ) from None
    except JMESPathTypeError:
        # a function that finds nothing to work on in an empty message
        return
    except (JMESPathError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise ExpressionError(_reason(error)) from None


def _compiled(text: str) -> Node:
    try:
        tree: Node = jmespath.compile(text).parsed
    except (JMESPathError, ValueError) as error:
        raise ExpressionError(_reason(error)) from None
    except RecursionError:
        raise OverBudgetError(f"it is nested deeper than {DEEPEST} levels") from None
    if _depth(tree) > DEEPEST:
        raise OverBudgetError(f"it is nested deeper than {DEEPEST} levels")
    if _count(tree) > MAX_NODES:
        raise OverBudgetError(f"it has more than {MAX_NODES} parts")
    return tree


def _reason(error: Exception) -> str:
    text = str(error).partition("\n")[0].rstrip(":.")
    # it quotes what it does not understand, which may be nearly all of the expression
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _children(node: Node) -> list[Node]:
    return [child for child in node["children"] if isinstance(child, Mapping)]


def _count(node: Node) -> int:
    count, waiting = 0, [node]
    while waiting:
        count += 1
        waiting += _children(waiting.pop())
    return count


def _depth(node: Node) -> int:
    deepest, level = 0, [node]
    while level:
        deepest += 1
        level = [child for parent in level for child in _children(parent)]
    return deepest


def _weight(value: Any, limit: int) -> int:
    """Count the steps to go through a value, up to just above ``limit``."""
    steps, waiting = 0, [value]
    while waiting and steps <= limit:
        part = waiting.pop()
        steps += 1
        if isinstance(part, str):
            steps += _characters(part)
        elif isinstance(part, list):
            steps += len(part)
            if steps <= limit:
                waiting += part
        elif isinstance(part, dict):
            steps += len(part)
            if steps <= limit:
                waiting += part.values()
    return steps


def _is_plain(value: Any) -> bool:
    """Whether it costs next to nothing to go through a value."""
    kind = type(value)
    if kind is str:
        return len(value) < _CHARACTERS_A_STEP
    return kind is not list and kind is not dict


class _Interpreter(TreeInterpreter):
    """JMESPath's own, which pays for what can be more than the nodes of the expression."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self._keys = _Keys(self, budget)
        self._called = Functions()
        #: how many nodes are visited for each element of what they are applied to, by node
        self._counts: dict[int, int] = {}

    def _nodes_visited(self, nodes: Sequence[Node]) -> int:
        key = id(nodes[0])
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = sum(map(_count, nodes))
        return count

    def _pay_for(self, value: Any) -> None:
        if not _is_plain(value):
            self._budget.pay(_weight(value, self._budget.left))

    def visit_pipe(self, node: Node, value: Any) -> Any:
        """Apply the second part to what the first one selects."""
        first, second = node["children"]
        first_result = self.visit(first, value)
        _refuse_loss(node, first_result)
        return self.visit(second, first_result)

    def visit_index_expression(self, node: Node, value: Any) -> Any:
        """Take one element of an array."""
        base, *indices = node["children"]
        result = self.visit(base, value)
        _refuse_loss(node, result)
        for index in indices:
            result = self.visit(index, result)
        return result

    def visit_projection(self, node: Node, value: Any) -> Any:
        """Apply the rest to each element of an array."""
        base_node, rest = node["children"]
        base = self.visit(base_node, value)
        if not isinstance(base, list):
            return None
        self._budget.pay(len(base) * self._nodes_visited((rest,)))
        visit = self.visit
        return [
            result for result in (visit(rest, element) for element in base) if result is not None
        ]

    def visit_value_projection(self, node: Node, value: Any) -> Any:
        """Apply the rest to each value of an object."""
        base_node, rest = node["children"]
        base = self.visit(base_node, value)
        if not isinstance(base, dict):
            return None
        self._budget.pay(len(base) * self._nodes_visited((rest,)))
        visit = self.visit
        results = (visit(rest, element) for element in base.values())
        return [result for result in results if result is not None]

    def visit_filter_projection(self, node: Node, value: Any) -> Any:
        """Apply the rest to each element that a condition holds for."""
        base_node, rest, condition = node["children"]
        base = self.visit(base_node, value)
        if not isinstance(base, list):
            return None
        self._budget.pay(len(base) * self._nodes_visited((rest, condition)))
        visit = self.visit
        collected: list[Any] = []
        for element in base:
            if _is_true(visit(condition, element)):
                result = visit(rest, element)
                if result is not None:
                    collected.append(result)
        return collected

    def visit_flatten(self, node: Node, value: Any) -> Any:
        """Join the arrays of an array."""
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._budget.pay(sum(len(element) if isinstance(element, list) else 1 for element in base))
        merged: list[Any] = []
        for element in base:
            if isinstance(element, list):
                merged.extend(element)
            else:
                merged.append(element)
        return merged

    def visit_slice(self, node: Node, value: Any) -> Any:
        """Cut an array."""
        if isinstance(value, list):
            self._budget.pay(len(value))
        return super().visit_slice(node, value)

    def visit_comparator(self, node: Node, value: Any) -> Any:
        """Compare two values."""
        one, other = node["children"]
        left, right = self.visit(one, value), self.visit(other, value)
        if not (_is_plain(left) or _is_plain(right)):
            self._pay_for(left)
            self._pay_for(right)
        kind = node["value"]
        if kind not in {"eq", "ne"} and not _is_ordered(left, right):
            return None
        return self.COMPARATOR_FUNC[kind](left, right)

    def visit_expref(self, node: Node, value: Any) -> Any:  # noqa: ARG002 - as it is called
        """Hand on what a function is to apply to each element."""
        return _Expression(node["children"][0], self._keys)

    def visit_function_expression(self, node: Node, value: Any) -> Any:
        """Call a function."""
        name, children = node["value"], node["children"]
        arguments = [self.visit(child, value) for child in children]
        for argument in arguments:
            if name in _LOOKS_DEEP:
                self._pay_for(argument)
            elif isinstance(argument, list):
                self._budget.pay(len(argument))
                if name in _LOOKS_AT_TEXTS:
                    self._budget.pay(sum(map(_characters, argument)))
                for child in children:
                    if child["type"] == "expref":
                        self._budget.pay(len(argument) * self._nodes_visited((child,)))
            elif isinstance(argument, dict):
                self._budget.pay(len(argument))
            else:
                self._budget.pay(_characters(argument))
        if name == "join" and len(arguments) == 2 and isinstance(arguments[1], list):
            self._budget.pay(_characters(arguments[0]) * len(arguments[1]))
        return self._called.call_function(name, arguments)


def _refuse_loss(node: Node, result: Any) -> None:
    if isinstance(result, list) and len(result) > 1 and drops_others(node):
        raise DroppedError(f"it keeps one of a list of {len(result)} and would lose the others")


class _Keys(Visitor):
    """Evaluates what elements are sorted by, and pays for comparing long texts."""

    def __init__(self, interpreter: _Interpreter, budget: Budget) -> None:
        super().__init__()
        self._evaluate = interpreter.visit
        self._budget = budget

    def visit(self, node: Node, value: Any) -> Any:
        """Evaluate it for one element."""
        result = self._evaluate(node, value)
        if isinstance(result, str) and len(result) >= _CHARACTERS_A_STEP:
            self._budget.pay(_COMPARISONS * _characters(result))
        return result


def _characters(value: Any) -> int:
    """Count the steps to go through a text; nothing for other values and short ones."""
    return len(value) // _CHARACTERS_A_STEP if isinstance(value, str) else 0


def _is_true(value: Any) -> bool:
    """As JMESPath has it: zero is true, what is empty is not."""
    return True if value else value == 0 and value is not False


def _is_ordered(left: Any, right: Any) -> bool:
    return all(
        isinstance(operand, int | float | str) and not isinstance(operand, bool)
        for operand in (left, right)
    )
