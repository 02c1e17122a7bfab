"""Lets a process go on that waits for a database which takes connections and answers nothing.

A thread of its own looks after every database that the process has connections to. After
:data:`LONGEST_S` without an answer it cuts them, and whoever waits is told what he is told when a
server has gone.
"""

from __future__ import annotations

import threading
import time
from typing import Final

#: As long as one that has vanished without a word is waited for (see :mod:`.connect`).
LONGEST_S: Final = 15.0
#: A command that is done sooner opens no connection for this, and loads nothing.
_BEGINS_AFTER_S: Final = 2.0

#: URLs of databases whose connections were cut, and which have not answered since.
_cut: Final[set[str]] = set()


class Listener:
    """Says of which database connections were cut; who waited says the rest."""

    def __init__(self, url: str) -> None:
        self._url = url

    def alive(self) -> None:
        """Take note that the database answers."""
        _cut.discard(self._url)

    def silent(self) -> None:
        """Take note that it does not."""

    def refuses(self) -> None:
        """Take note that it answers again, if only by a refusal."""
        _cut.discard(self._url)

    def hangs(self) -> None:
        """Take note that it hangs."""

    def gives_up(self) -> None:
        """Take note that who waits for it is let go."""
        _cut.add(self._url)

    def cut(self, connections: int) -> None:
        """Take note of how many connections were cut."""


def look_after() -> None:
    """Begin to look after the databases of this process, for as long as it lives.

    Those that something else in the process looks after are left to it.
    """
    threading.Thread(target=_run, name="database pulse", daemon=True).start()


def was_cut() -> bool:
    """Return whether connections were cut because one hangs that has not answered since."""
    return bool(_cut)


def _run() -> None:
    time.sleep(_BEGINS_AFTER_S)
    # most commands are over by now
    import asyncio  # noqa: PLC0415

    from services.core.store.database import pulse  # noqa: PLC0415

    patience = pulse.Patience(answers_within_s=LONGEST_S / 3, cut_after_s=LONGEST_S * 2 / 3)
    asyncio.run(pulse.watch_all(Listener, patience=patience, every_s=_BEGINS_AFTER_S))
