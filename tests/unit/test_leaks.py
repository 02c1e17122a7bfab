"""A test that leaves something open in its worker is named."""

from __future__ import annotations

import asyncio

import pytest

from tests.leaks import open_now, until_closed


async def work_on() -> None:
    await asyncio.sleep(60)


async def test_what_goes_on_is_named_with_what_it_does() -> None:
    before = open_now()
    task = asyncio.create_task(work_on(), name="of the test")
    try:
        with pytest.raises(pytest.fail.Exception, match=r"left open:\n.*of the test.*work_on"):
            await until_closed(before, seconds=0.05)
    finally:
        task.cancel()
    await until_closed(before)


async def test_what_was_open_before_is_none_of_its_business() -> None:
    task = asyncio.create_task(work_on())
    await until_closed(open_now(), seconds=0.05)
    task.cancel()
