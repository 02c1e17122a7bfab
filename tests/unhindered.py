"""How long something takes by itself, on a machine that others keep busy.

What a product promises in seconds is of a machine that has room for it. Linux tells for how long
anybody there wanted a processor or a disk and had to wait (``/proc/pressure``); in the rest of the
time nobody was held up, and whatever the product itself waits for lies in that rest. Where Linux
tells nothing, every second counts.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final

_PRESSURE: Final = (Path("/proc/pressure/cpu"), Path("/proc/pressure/io"))
_TOTAL: Final = re.compile(r"^some .* total=(\d+)$", re.MULTILINE)


class Unhindered:
    """The seconds since it was made in which nobody on this machine had to wait for it."""

    def __init__(self) -> None:
        self._began = self._now()

    def seconds(self) -> float:
        """Return how many those are."""
        return max(0.0, self._now() - self._began)

    @staticmethod
    def _now() -> float:
        return time.monotonic() - sum(_waited_s(path) for path in _PRESSURE)


def _waited_s(path: Path) -> float:
    try:
        total = _TOTAL.search(path.read_text(encoding="ascii"))
    except OSError:
        return 0.0
    return 0.0 if total is None else int(total[1]) / 1e6
