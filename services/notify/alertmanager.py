"""Prometheus Alertmanager, API v2: it groups, silences and routes alerts.

It keeps alerts in memory only, so firing ones are sent again every minute, and resolved ones for
another quarter of an hour, as Prometheus itself does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.core.runtime.clock import Clock
from services.notify import wording
from services.notify.message import HEARTBEAT, RESOLVED, TEST, Message, rfc3339
from services.notify.post import Poster

#: An alert that is not repeated ends by itself: long after any restart of the notifier.
_EXPIRES_AFTER = timedelta(hours=4)
#: Alerts in one request.
_MAX_ALERTS = 500
#: What identifies an alert there; what may change while it lasts is an annotation.
_LABELS = ("threshold", "source", "scope", "device", "channel", "measure", "window", "severity")


class AlertmanagerChannel:
    """Posts to ``/api/v2/alerts`` below the address of its start page."""

    max_at_once = 8
    repeat_every_s = 60.0

    def __init__(self, url: str, *, poster: Poster, clock: Clock) -> None:
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._poster = poster
        self._clock = clock

    async def send(self, message: Message) -> None:
        """See :class:`.channel.Channel`."""
        await self._post([message])

    async def repeat(self, messages: Sequence[Message]) -> None:
        """See :class:`.channel.Channel`."""
        for first in range(0, len(messages), _MAX_ALERTS):
            await self._post(messages[first : first + _MAX_ALERTS])

    async def _post(self, messages: Sequence[Message]) -> None:
        now = self._clock.now()
        body = msgspec.json.encode([alert_of(message, now) for message in messages])
        await self._poster.post(self._url, body, {})

    async def close(self) -> None:
        """Close the connections."""
        await self._poster.close()


def alert_of(message: Message, now: datetime) -> dict[str, Any]:
    """Return a message as Alertmanager's ``postableAlert``."""
    starts, ends = _period(message, now)
    source = {} if message.link is None else {"generatorURL": message.link}
    return {
        "labels": _labels(message),
        "annotations": _annotations(message),
        "startsAt": rfc3339(starts),
        "endsAt": rfc3339(ends),
        **source,
    }


def _labels(message: Message) -> dict[str, str]:
    labels = {
        name: str(message.body[name]) for name in _LABELS if message.body.get(name) is not None
    }
    name = {TEST: "TonneTest", HEARTBEAT: "TonneHeartbeat"}.get(message.kind, "TonneThreshold")
    return {"alertname": name, "facility": message.facility, **labels}


def _annotations(message: Message) -> dict[str, str]:
    annotations = {
        name: str(value)
        for name, value in message.details.items()
        if name not in _LABELS and isinstance(value, str | int | float) and value != ""
    }
    return {**annotations, "summary": wording.headline(message), "key": message.key}


def _period(message: Message, now: datetime) -> tuple[datetime, datetime]:
    """Return when it starts and ends; Alertmanager refuses an end before the start."""
    if message.kind == TEST:
        return now, now + timedelta(minutes=1)
    if message.kind == HEARTBEAT:
        return now, now + timedelta(seconds=3 * float(message.body["every_s"]))
    starts = min(_instant(message.body.get("fired_at")) or message.created_at, now)
    if message.kind != RESOLVED:
        return starts, now + _EXPIRES_AFTER
    ends = min(_instant(message.body.get("resolved_at")) or message.created_at, now)
    return min(starts, ends), ends


def _instant(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
