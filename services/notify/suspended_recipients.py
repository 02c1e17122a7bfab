"""Recipients whose worker failed with an unexpected error: tried again ever more rarely.

The others are not affected. Readiness names the suspended ones with the reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from services.core.facility.recipients import shown
from services.core.runtime.backoff import Backoff

log = structlog.get_logger()

_FIRST_S = 1.0
_LONGEST_S = 900.0
#: Characters of a reason that are shown.
_SHOWN = 200


@dataclass(kw_only=True, slots=True)
class _Suspension:
    backoff: Backoff
    until_s: float
    reason: str


class SuspendedRecipients:
    """Recipients that get nothing for a while, with the reason."""

    def __init__(self) -> None:
        self._suspended: dict[str, _Suspension] = {}

    def suspend(self, target: str, error: Exception) -> None:
        """Suspend a recipient for longer than the last time."""
        reason = f"{type(error).__name__}: {error}"[:_SHOWN]
        backoff = Backoff(shortest_s=_FIRST_S, longest_s=_LONGEST_S)
        suspension = self._suspended.setdefault(
            target, _Suspension(backoff=backoff, until_s=0.0, reason=reason)
        )
        wait_s = suspension.backoff.next_s()
        suspension.until_s, suspension.reason = time.monotonic() + wait_s, reason
        log.error(
            "recipient suspended after an unexpected error",
            target=shown(target),
            in_s=round(wait_s, 1),
            exc_info=error,
        )

    def may_try(self, target: str) -> bool:
        """Return whether a recipient is not suspended now."""
        suspension = self._suspended.get(target)
        return suspension is None or time.monotonic() >= suspension.until_s

    def clear(self, target: str) -> None:
        """Forget earlier errors of a recipient."""
        self._suspended.pop(target, None)

    def notices(self) -> list[dict[str, str]]:
        """Return the notices of readiness."""
        return [
            {
                "code": "recipient-left-alone",
                "detail": f"{shown(target)} gets no messages ({suspension.reason}); correct"
                " its entry of notify in the facility file and apply it",
            }
            for target, suspension in sorted(self._suspended.items())
        ]


def set_aside_notices(count: int, reason: str) -> list[dict[str, str]]:
    """Return the notices of readiness about messages that were set aside."""
    if not count:
        return []
    return [
        {
            "code": "messages-set-aside",
            "detail": f"{count} messages about alerts were set aside in the last day, for instance:"
            f" {reason[:_SHOWN]}; `GET /v1/alerts` has the alerts themselves",
        }
    ]
