"""Messages for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.notify.message import Message

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def message(kind: str = "firing", **body: Any) -> Message:
    return Message(
        key=f"linz/stack-1-hourly/7/{kind}",
        kind=kind,
        facility="linz",
        body={
            "threshold": "stack-1-hourly",
            "source": "stack-1",
            "measure": "total",
            "window": "1h",
            "severity": "critical",
            "value": 12_345.5,
            "limit": 12_000.0,
            **body,
        },
        created_at=NOON,
    )
