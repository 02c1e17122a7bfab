"""How long tests wait for what must come about.

What comes true ends a wait at once, so patience costs nothing; too little of it fails a test on a
machine that is busy. The timeout of a test lies above it: a wait that fails says what never came.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

#: For one condition, an answer, or the end of a process.
PATIENCE_S = 90.0


def pauses(seconds: float = PATIENCE_S, *, longest_s: float = 0.5) -> Iterator[float]:
    """Yield how long to sleep between looks at a condition, until patience is at its end.

    A look costs, often a connection to a database: so no wait gets more than a tenth longer by
    looking rarely, and a long one does not keep a processor busy.
    """
    began = time.monotonic()
    while (waited_s := time.monotonic() - began) < seconds:
        yield min(max(0.01, waited_s / 10), longest_s)


def until(
    condition: Callable[[], Any],
    what: str,
    seconds: float = PATIENCE_S,
    *,
    longest_pause_s: float = 0.5,
    explain: Callable[[], str] | None = None,
) -> Any:
    """Return the condition's value once it is true, or fail the test saying what never was.

    ``longest_pause_s``: short where looking also does the work that is waited for; ``explain``:
    says in what state things are when patience is at its end.
    """
    for pause_s in pauses(seconds, longest_s=longest_pause_s):
        if value := condition():
            return value
        time.sleep(pause_s)
    why = f"\n{explain()}" if explain is not None else ""
    pytest.fail(f"not within {seconds:g} s: {what}{why}")


async def until_async(
    condition: Callable[[], Any],
    what: str,
    seconds: float = PATIENCE_S,
    *,
    explain: Callable[[], str] | None = None,
) -> Any:
    """Do as :func:`until` does, while other tasks of the loop go on."""
    for pause_s in pauses(seconds):
        if value := condition():
            return value
        await asyncio.sleep(pause_s)
    why = f"\n{explain()}" if explain is not None else ""
    pytest.fail(f"not within {seconds:g} s: {what}{why}")
