"""How far a command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.cli.say import say

#: How often a line is written where there is no terminal, such as into the log of a timer.
LINE_EVERY_S: Final = 10.0


@contextmanager
def progress(
    doing: str, total: int | None, beside: Callable[[], str] | None = None
) -> Iterator[Callable[[int], None]]:
    """Show on stderr how much of the work is done; ``total`` None: nobody knows how much it is.

    ``beside``: what else a line says.
    """
    if not sys.stderr.isatty():
        yield _Lines(doing, total, beside).advance
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


class _Lines:
    """Writes a line each time that some seconds have passed."""

    def __init__(self, doing: str, total: int | None, beside: Callable[[], str] | None) -> None:
        self._doing = doing
        self._total = total
        self._beside = beside
        self._done = 0
        self._began = time.monotonic()
        self._next = self._began + LINE_EVERY_S

    def advance(self, count: int) -> None:
        """Note that so much more is done."""
        self._done += count
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LINE_EVERY_S
        part = f"{self._done}" if not self._total else f"{100 * self._done // self._total} %"
        beside = "" if self._beside is None else f", {self._beside()}"
        say(f"{self._doing}: {part} in {now - self._began:.0f} s{beside}", err=True)
