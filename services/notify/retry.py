"""When a message that was refused for its own sake is tried again."""

from __future__ import annotations

from services.core.runtime.backoff import delay_s

_SHORTEST_S = 5.0
#: Never given up while its recipient stands in the facility file: rules of a receiver are mended.
LONGEST_S = 3600.0


def refused_again_s(tries: int) -> float:
    """Seconds until the next try of a message that was tried ``tries`` times."""
    return delay_s(tries - 1, shortest_s=_SHORTEST_S, longest_s=LONGEST_S)
