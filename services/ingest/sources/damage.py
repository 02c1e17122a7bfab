"""What the broker did to what it held for ingest: said when it is seen, and for an hour after."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final, Literal

import structlog

from services.core.runtime import metrics

_log: Final = structlog.get_logger()

#: For how long it is said.
_SAY_S: Final = 3600.0

#: What can happen to it; also the label of the metric.
Kind = Literal["consumer-deleted", "consumer-changed", "stream-back"]

_DETAILS: Final[dict[Kind, str]] = {
    "consumer-deleted": (
        "somebody or something deleted ingest's consumer at NATS; it was made again and goes on"
        " with what the stream still has. What came meanwhile and nobody else wanted NATS threw"
        " away, though it had acknowledged it: look who may delete there"
    ),
    "consumer-changed": (
        "somebody or something changed where NATS delivers ingest's messages; it was set right, and"
        " what waited comes now: look who may change consumers there"
    ),
    "stream-back": (
        "NATS' stream of messages went back: it lost acknowledged messages, by a damaged file or a"
        " power failure; look at its disk. What reached ingest before is stored; devices that keep"
        " their history should send it again"
    ),
}


class Damage:
    """What was found, by kind; any thread may read it."""

    def __init__(self) -> None:
        self._seen_at: dict[Kind, float] = {}
        self._details: dict[Kind, str] = {}

    def note(self, kind: Kind, detail: str = "") -> None:
        """Say that it happened; ``detail``: what is known of this time."""
        metrics.ingest_broker_damages.labels(kind).inc()
        text = f"{_DETAILS[kind]} ({detail})" if detail else _DETAILS[kind]
        _log.error(text, kind=kind)
        self._details = {**self._details, kind: text}
        self._seen_at[kind] = time.monotonic()

    @property
    def text(self) -> str:
        """What was found in the last hour, or nothing."""
        now = time.monotonic()
        return "; ".join(
            text for kind, text in self._details.items() if now - self._seen_at[kind] < _SAY_S
        )


class StreamEnd:
    """Whether a stream still has what it had: compares each look with the one before.

    NATS cuts a file behind the first record that it cannot read, and goes on from there with the
    same numbers, without a word. What was not looked at before that is not missed here.
    """

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._made: datetime | None = None
        self._last = 0

    def look(self, made: datetime | None, last: int) -> None:
        """Note where the stream ends, and say if that is before where it ended.

        ``made``: when the stream was; ``last``: sequence of its newest message.
        """
        if self._made is not None and made != self._made:
            self._damage.note("stream-back", "it was made anew")
        elif last < self._last:
            self._damage.note("stream-back", f"from message {self._last} to {last}")
        self._made, self._last = made, last
