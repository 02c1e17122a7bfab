"""How often the cyclic garbage collector looks, while thousands of objects die by themselves."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: How many more objects than before make it look, by generation: with Python's 700 it would look
#: at the readings of a batch all the time.
COLLECT_AFTER: Final = (50_000, 20, 100)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let it look seldom for a while."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
