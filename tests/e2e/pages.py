"""Pages of a browser that wait as patiently as everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, expect

from tests.patience import PATIENCE_S

_PATIENCE_MS = PATIENCE_S * 1000


@asynccontextmanager
async def opened_page(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """Open a page in a context of its own, made with ``options``, and close both."""
    context = await browser.new_context(locale="en-GB", **options)
    context.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    try:
        yield await context.new_page()
    finally:
        await context.close()
