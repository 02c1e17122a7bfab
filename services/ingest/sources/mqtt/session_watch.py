"""What happens to a session from outside: lost at the broker, or taken by another client."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import structlog

from services.core.runtime import metrics

_log: Final = structlog.get_logger()

#: For how long it is said.
_SAY_S: Final = 3600.0

#: A broker that ends so many connections in this span, and is there each time, has another client.
_ENDS: Final = 3
_SPAN_S: Final = 60.0

#: 0x8E of MQTT 5, section 3.14.2.1.
_TAKEN_OVER: Final = "Session taken over"

_FORGOTTEN: Final = (
    "the broker has forgotten ingest's session: messages that it had acknowledged and not handed"
    " over are lost; look whether the broker lost its data, or another client connected with"
    " ingest's client id"
)
_TAKEN: Final = (
    f"the broker has ended ingest's session {_ENDS} times in a minute; look for another client with"
    " ingest's client id (a second ingest needs a TONNE_MQTT_CLIENT_ID of its own)"
)


class SessionWatch:
    """Tells by what the broker says of a session what was done to it."""

    def __init__(self) -> None:
        #: whether this session was there, by what this process knows
        self.existed = False
        self._ends: deque[float] = deque(maxlen=_ENDS)
        self._trouble = ""
        self._said_at = 0.0

    def opened(self, *, present: bool) -> None:
        """Note that the broker has accepted the session, and whether it knew it."""
        if self.existed and not present:
            metrics.ingest_sessions_lost.inc()
            self._say(_FORGOTTEN)
        self.existed = True

    def ended_by_broker(self, reason: str | None) -> None:
        """Note that an accepted session has ended, and nobody here had asked for it.

        ``reason``: the name of the broker's code; None where its version of MQTT has none.
        """
        if reason is not None and reason != _TAKEN_OVER:
            return
        self._ends.append(time.monotonic())
        if len(self._ends) == _ENDS and self._ends[-1] - self._ends[0] < _SPAN_S:
            metrics.ingest_sessions_taken.inc()
            self._say(_TAKEN)

    @property
    def trouble(self) -> str:
        """What was found in the last hour, or nothing."""
        return self._trouble if time.monotonic() - self._said_at < _SAY_S else ""

    def _say(self, event: str) -> None:
        _log.error(event)
        self._trouble, self._said_at = event, time.monotonic()
