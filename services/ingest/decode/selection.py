"""JMESPath expressions, compiled once, that tell a missing key from an explicit null.

To JMESPath both are null. A key that is missing says nothing: a device that sends only what changed
leaves out the rest. An explicit null says that there is no value, which is a gap. Plain paths, such
as ``ENERGY.Power[0]``, are therefore walked; all else is JMESPath's matter, and its null is taken
as missing. So is what a function makes of a null, as of the sum of phases that are not there.

What stands beside a payload is selected by its name: see :mod:`services.core.facility.beside`.

An expression that selects several things, such as ``[?macid=='x'].kwh | [0]``, gives all of them:
see :mod:`services.core.facility.mapping_choice`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from jmespath.exceptions import JMESPathError, JMESPathTypeError

from services.core.facility.beside import Beside, Named, named
from services.core.facility.mapping_choice import Choice, taken_apart
from services.core.facility.mapping_expression import (
    Budget,
    DroppedError,
    Expression,
    OverBudgetError,
)

#: What to do about it.
_KEEP: Final = "let records split the message, or write | [:1] | [0] if the first is meant"

#: What a plain path consists of: keys of objects and places in arrays.
_Steps = tuple[str | int, ...]


class Missing(Enum):
    """Nothing stands there."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

#: document -> what stands there, or MISSING. Raises SelectionError, SelectionCostError and nothing
#: else.
Selection = Callable[[Any], Any]


class Several(list[Any]):
    """What an expression selects of each of several things, MISSING where it has nothing of it."""


class SelectionError(ValueError):
    """The expression cannot be applied to this document."""


class SelectionCostError(Exception):
    """The message costs more than one may."""


def selection(
    expression: str | None, budget: Budget | None = None, *, lists: bool = True
) -> Selection:
    """Compile an expression; None selects the whole document.

    ``lists``: whether an array that it makes is :class:`Several`, else it is one thing.
    ``budget``: that of the messages it is applied to, renewed for each by the caller; None: each
    document has one of its own.

    :raises ValueError: the text is not JMESPath, or too large.
    """
    if expression is None:
        return _whole
    beside = named(expression)
    if beside is not None:
        return _Named(beside, (budget or Budget()).beside)
    compiled = Expression(expression, budget or Budget())
    steps = _steps(compiled.tree)
    if steps is not None:
        return _Walk(steps)
    search = _Search(expression, compiled, renews=budget is None)
    choice = taken_apart(compiled.tree, lists=lists)
    return search if choice is None else _Choose(search, choice, compiled.budget)


def is_path(select: Selection) -> bool:
    """Whether a selection is a plain path, which costs next to nothing."""
    return select is _whole or select is nothing or isinstance(select, _Walk | _Named)


def is_beside(select: Selection) -> bool:
    """Whether what is selected stands beside the payload."""
    return isinstance(select, _Named)


def nothing(_document: Any) -> Any:
    """Select nothing."""
    return MISSING


def _whole(document: Any) -> Any:
    return document


class _Walk:
    def __init__(self, steps: _Steps) -> None:
        self._steps = steps

    def __call__(self, document: Any) -> Any:
        node = document
        for step in self._steps:
            if isinstance(step, str):
                if not isinstance(node, dict) or step not in node:
                    return MISSING
            elif not isinstance(node, list) or not -len(node) <= step < len(node):
                return MISSING
            node = node[step]
        return node


class _Named:
    def __init__(self, name: Named, beside: Beside) -> None:
        self._name = name
        self._beside = beside
        beside.is_read = True

    def __call__(self, _document: Any) -> Any:
        selected = self._name(self._beside)
        return MISSING if selected is None else selected


class _Search:
    def __init__(self, expression: str, compiled: Expression, *, renews: bool) -> None:
        self._expression = expression
        self._compiled = compiled
        self._renews = renews

    def __call__(self, document: Any) -> Any:
        self.renew()
        selected = self.guarded(self._compiled, document)
        return MISSING if selected is None else selected

    def renew(self) -> None:
        """Begin a document, if nobody else does."""
        if self._renews:
            self._compiled.budget.renew()

    def guarded(self, evaluate: Callable[[Any], Any], document: Any) -> Any:
        """Return what ``evaluate`` finds; None where it is applied to what is not there.

        :raises SelectionError, SelectionCostError: it cannot be applied.
        """
        try:
            return evaluate(document)
        except OverBudgetError as error:
            raise SelectionCostError(f"{self._expression[:60]!r}: {error}") from None
        except DroppedError as error:
            raise SelectionError(f"{self._expression[:60]!r}: {error}; {_KEEP}") from None
        except JMESPathTypeError as error:
            if _lacks_something(error.current_value):
                return None
            detail = " ".join(str(error)[:200].split())
            raise SelectionError(f"{self._expression[:60]!r} cannot be applied: {detail}") from None
        except JMESPathError as error:
            detail = " ".join(str(error)[:200].split())
            raise SelectionError(f"{self._expression[:60]!r} cannot be applied: {detail}") from None
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            # functions of JMESPath on values that it does not expect, such as ceil of infinity
            raise SelectionError(
                f"{self._expression[:60]!r} cannot be applied: {type(error).__name__}"
            ) from None


class _Choose:
    """Selects something of each of several things."""

    def __init__(self, search: _Search, choice: Choice, budget: Budget) -> None:
        self._search = search
        self._elements = Expression(choice.elements, budget)
        self._of_each = Expression(choice.of_each, budget)
        self._pick = Expression(choice.pick, budget)

    def __call__(self, document: Any) -> Any:
        search = self._search
        search.renew()
        elements = search.guarded(self._elements, document)
        if not isinstance(elements, list) or not elements:
            selected = search.guarded(self._pick, elements)
            return MISSING if selected is None else selected
        selected = [search.guarded(self._one, element) for element in elements]
        if len(selected) == 1:
            return MISSING if selected[0] is None else selected[0]
        return Several(MISSING if value is None else value for value in selected)

    def _one(self, element: Any) -> Any:
        selected = self._of_each(element)
        return self._pick([] if selected is None else [selected])


def _lacks_something(argument: Any) -> bool:
    """Whether a function was given nothing, or an array in which something is not there."""
    return argument is None or (isinstance(argument, list) and None in argument)


def _steps(node: Any) -> _Steps | None:
    """Return the steps of a plain path, None if the expression is more than that."""
    if node["type"] in {"current", "identity"}:
        return ()
    if node["type"] in {"field", "index"}:
        return (node["value"],)
    if node["type"] not in {"subexpression", "index_expression"}:
        return None
    steps: _Steps = ()
    for child in node["children"]:
        more = _steps(child)
        if more is None:
            return None
        steps += more
    return steps
