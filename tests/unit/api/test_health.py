"""Readiness is read for all who ask at once, and by nobody after the API has ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.api import health
from services.api.health import Health


async def test_what_is_read_for_a_probe_that_has_left_ends_with_the_api(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = asyncio.Event()

    async def hang(_url: str, **_keys: Any) -> None:
        asked.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(health, "readiness", hang)
    before = asyncio.all_tasks()
    looked_after = Health("", backup_max_age=timedelta())
    probe = asyncio.create_task(looked_after.read())
    await asked.wait()
    probe.cancel()
    await asyncio.wait({probe})
    assert asyncio.all_tasks() - before
    await looked_after.close()
    assert not asyncio.all_tasks() - before
    # one that was never asked has nothing to end
    await Health("", backup_max_age=timedelta()).close()
