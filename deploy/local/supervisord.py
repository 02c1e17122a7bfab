"""supervisord for the local stack: a disk that is full costs it lines of its logs, never its life.

As it comes, a log line that cannot be written is told to stderr, which lies on the same disk: the
second failure ends supervisord, and all it watches with it. And it gives a process up that could
not be started often enough; here it goes on trying, for room on a disk comes back.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

from supervisor import loggers, process, supervisord
from supervisor.states import ProcessStates

_LONGEST_WAIT_S = 30


class _Forgiving(loggers.RotatingFileHandler):  # type: ignore[misc] # supervisor has no types
    """Drops what cannot be written, and opens its file again when it can."""

    def emit(self, record: Any) -> None:
        """Write one record, if there is room."""
        with contextlib.suppress(OSError, ValueError):
            if self.stream.closed:
                self.reopen()
            super().emit(record)


def _say_nothing(_handler: object) -> None:
    """Ignore an error of logging, which cannot be logged."""


def _keep_trying(
    which: Any,
    new_state: int,
    expected: bool = True,
    _change: Any = process.Subprocess.change_state,
) -> Any:
    changed = _change(which, new_state, expected)
    if new_state == ProcessStates.BACKOFF:
        which.backoff = min(which.backoff, _LONGEST_WAIT_S)
        which.delay = min(which.delay, time.time() + _LONGEST_WAIT_S)
    return changed


def main() -> None:
    """Run supervisord with the arguments given."""
    loggers.RotatingFileHandler = _Forgiving
    loggers.Handler.handleError = _say_nothing
    process.Subprocess.change_state = _keep_trying
    supervisord.main()


if __name__ == "__main__":
    main()
