"""Recipients whose worker ended in a way that nobody thought of: tried again ever more rarely.

The others are told as ever, and readiness says who is not, and why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from services.core.runtime.backoff import Backoff
from services.notify.recipients import shown

log = structlog.get_logger()

_FIRST_S = 1.0
_LONGEST_S = 900.0
#: A reason is told up to here.
_SHOWN = 200


@dataclass(kw_only=True, slots=True)
class _One:
    backoff: Backoff
    until_s: float
    reason: str


class LeftAlone:
    """The recipients that are left alone for a while, with the reason."""

    def __init__(self) -> None:
        self._found: dict[str, _One] = {}

    def add(self, target: str, error: Exception) -> None:
        """Leave a recipient alone for longer than the last time."""
        reason = f"{type(error).__name__}: {error}"[:_SHOWN]
        backoff = Backoff(shortest_s=_FIRST_S, longest_s=_LONGEST_S)
        one = self._found.setdefault(target, _One(backoff=backoff, until_s=0.0, reason=reason))
        wait_s = one.backoff.next_s()
        one.until_s, one.reason = time.monotonic() + wait_s, reason
        log.error(
            "recipient left alone",
            target=shown(target),
            in_s=round(wait_s, 1),
            exc_info=error,
        )

    def over(self, target: str) -> bool:
        """Whether it may be tried."""
        one = self._found.get(target)
        return one is None or time.monotonic() >= one.until_s

    def forget(self, target: str) -> None:
        """It was worked on without trouble."""
        self._found.pop(target, None)

    def notices(self) -> list[dict[str, str]]:
        """What readiness should say."""
        return [
            {
                "code": "recipient-left-alone",
                "detail": f"{shown(target)} cannot be told anything ({one.reason}); mend its entry"
                " of notify in the facility file and apply it",
            }
            for target, one in sorted(self._found.items())
        ]


def set_aside_notices(count: int, reason: str) -> list[dict[str, str]]:
    """What readiness should say of messages that were set aside."""
    if not count:
        return []
    return [
        {
            "code": "messages-set-aside",
            "detail": f"{count} messages of alerts were set aside in the last day, for instance:"
            f" {reason[:_SHOWN]}; `GET /v1/alerts` has the alerts themselves",
        }
    ]
