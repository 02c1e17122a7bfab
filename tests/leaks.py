"""What a test leaves open in its worker, where a later one would fail by it."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from services.core.store.database import open_connections
from tests.patience import PATIENCE_S, pauses

#: A task of the loop, or a connection to a database.
Open = asyncio.Task[Any] | psycopg.BaseConnection[Any]


def open_now() -> set[Open]:
    """Return the other tasks of the running loop, and the connections that code of ours opened."""
    asking = asyncio.current_task()
    running: set[Open] = {task for task in asyncio.all_tasks() if task is not asking}
    with open_connections._changing:
        opened = [one for of_url in open_connections._of_urls.values() for one in of_url]
    return running | {connection for connection in opened if not connection.closed}


async def until_closed(before: set[Open], *, seconds: float = PATIENCE_S) -> None:
    """Wait until nothing is open but what was ``before``, or fail the test that left it."""
    for pause_s in pauses(seconds):
        if not open_now() - before:
            return
        await asyncio.sleep(pause_s)
    names = "\n".join(sorted(map(repr, open_now() - before)))
    pytest.fail(f"the test, or one of its fixtures, left open:\n{names}", pytrace=False)
