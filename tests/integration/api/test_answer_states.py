"""What is asked of the database again and again, on a connection of its own."""

from __future__ import annotations

import asyncio

import pytest

from services.api.states import AnswerStates
from tests.services import as_login

pytestmark = pytest.mark.database


@pytest.mark.parametrize("steps", [1, 2, 5])
async def test_one_that_is_closed_while_it_reads_opens_no_connection_later(
    database_url: str, steps: int
) -> None:
    states = AnswerStates(as_login(database_url, "tonne_api"))
    asked = asyncio.create_task(states.live("linz"))
    for _ in range(steps):
        await asyncio.sleep(0)
    await states.close()
    assert states._connection is None
    assert states._live._reading is None or states._live._reading.done()
    asked.cancel()
