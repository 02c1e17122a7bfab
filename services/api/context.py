"""What every request needs: settings, database, clock, feed. Built once by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.admission.gate import Gate
from services.api.health import Health
from services.api.live.feed import LiveFeed
from services.core.runtime.clock import Clock
from services.core.runtime.settings import Settings

#: No read may hold a connection longer than this.
STATEMENT_TIMEOUT_MS = 15_000


@dataclass(frozen=True, kw_only=True)
class Context:
    """The parts of one running API."""

    settings: Settings
    #: reads only, in autocommit: every answer is one statement or needs no common snapshot
    engine: AsyncEngine
    clock: Clock
    feed: LiveFeed
    #: who may take how much of it
    gate: Gate
    health: Health


def context(request: Request) -> Context:
    """The parts of the API that serves ``request``."""
    found = request.app.state.context
    assert isinstance(found, Context)  # noqa: S101 - set by create_app, nothing else
    return found


InContext = Annotated[Context, Depends(context)]
