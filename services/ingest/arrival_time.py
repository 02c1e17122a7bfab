"""Messages as they arrived by the time that all processes go by.

Readings are believed up to a little after their arrival, so that a clock that is late would refuse
what is right, and one that is early would believe what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from services.core.runtime.steady_time import SteadyTime
from services.ingest.sources.source import Message


def corrected(messages: Sequence[Message], clock: SteadyTime) -> Sequence[Message]:
    """Put this machine's times of messages right, where its clock, or both, are wrong."""
    by_s = clock.correction_s
    if not by_s:
        return messages
    by = timedelta(seconds=by_s)
    return [
        msgspec.structs.replace(
            message,
            received_at=message.received_at + by,
            sent_before=message.sent_before and message.sent_before + by,
        )
        for message in messages
    ]
