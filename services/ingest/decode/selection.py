"""JMESPath expressions, compiled once, that tell a missing key from an explicit null.

To JMESPath both are null. A key that is missing says nothing: a device that sends only what changed
leaves out the rest. An explicit null says that there is no value, which is a gap. Plain paths, such
as ``ENERGY.Power[0]``, are therefore walked; all else is JMESPath's matter, and its null is taken
as missing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from jmespath.exceptions import JMESPathError

from services.core.store.registry.mapping_expression import Budget, Expression, OverBudgetError

#: What a plain path consists of: keys of objects and places in arrays.
_Steps = tuple[str | int, ...]


class Missing(Enum):
    """Nothing stands there."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

#: document -> what stands there, or MISSING. Raises SelectionError, SelectionCostError and nothing
#: else.
Selection = Callable[[Any], Any]


class SelectionError(ValueError):
    """The expression cannot be applied to this document."""


class SelectionCostError(Exception):
    """The message costs more than one may."""


def selection(expression: str | None, budget: Budget | None = None) -> Selection:
    """Compile an expression; None selects the whole document.

    ``budget``: that of the messages it is applied to, renewed for each by the caller; None: each
    document has one of its own.

    :raises ValueError: the text is not JMESPath, or too large.
    """
    if expression is None:
        return _whole
    compiled = Expression(expression, budget or Budget())
    steps = _steps(compiled.tree)
    if steps is not None:
        return _Walk(steps)
    return _Search(expression, compiled, renews=budget is None)


def _whole(document: Any) -> Any:
    return document


class _Walk:
    def __init__(self, steps: _Steps) -> None:
        self._steps = steps

    def __call__(self, document: Any) -> Any:
        found = document
        for step in self._steps:
            if isinstance(step, str):
                if not isinstance(found, dict) or step not in found:
                    return MISSING
            elif not isinstance(found, list) or not -len(found) <= step < len(found):
                return MISSING
            found = found[step]
        return found


class _Search:
    def __init__(self, expression: str, compiled: Expression, *, renews: bool) -> None:
        self._expression = expression
        self._compiled = compiled
        self._renews = renews

    def __call__(self, document: Any) -> Any:
        if self._renews:
            self._compiled.budget.renew()
        try:
            found = self._compiled(document)
        except OverBudgetError as error:
            raise SelectionCostError(f"{self._expression[:60]!r}: {error}") from None
        except JMESPathError as error:
            what = " ".join(str(error)[:200].split())
            raise SelectionError(f"{self._expression[:60]!r} cannot be applied: {what}") from None
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            # functions of JMESPath on values that it does not expect, such as ceil of infinity
            raise SelectionError(
                f"{self._expression[:60]!r} cannot be applied: {type(error).__name__}"
            ) from None
        return MISSING if found is None else found


def _steps(node: Any) -> _Steps | None:
    """The steps of a plain path, None if the expression is more than that."""
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
