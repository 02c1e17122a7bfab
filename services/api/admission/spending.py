"""What the current request has cost so far; admission reads it from here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class Spending:
    """The cost of one request."""

    #: of its answer
    rows: int = 0
    #: called once when the request is over, however it ended
    at_end: list[Callable[[], None]] = field(default_factory=list)
    #: gives its place back; None: it has none
    leave: Callable[[], Awaitable[None]] | None = None


current: ContextVar[Spending | None] = ContextVar("spending", default=None)


def note_rows(number: int) -> None:
    """Take note that the answer has ``number`` rows."""
    spending = current.get()
    if spending is not None:
        spending.rows += number


async def leave_place() -> None:
    """Give the place of the current request back: it needs the database no more."""
    spending = current.get()
    if spending is not None and spending.leave is not None:
        await spending.leave()


def at_end(call: Callable[[], None]) -> None:
    """Run ``call`` when the current request is over."""
    spending = current.get()
    assert spending is not None  # noqa: S101 - admission has set it
    spending.at_end.append(call)
