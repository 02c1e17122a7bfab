"""When a message that the recipient refused is tried again."""

from __future__ import annotations

from services.core.runtime.backoff import delay_s

_SHORTEST_S = 5.0
#: Tried for as long as the facility file names the recipient: a receiver's rules can be corrected.
LONGEST_S = 3600.0


def refused_wait_s(tries: int) -> float:
    """Return the seconds until the next try of a message that was tried ``tries`` times."""
    return delay_s(tries - 1, shortest_s=_SHORTEST_S, longest_s=LONGEST_S)
