"""Why a sign-in at the provider came to nothing."""

from __future__ import annotations

from typing import Final, Literal, get_args

Reason = Literal[
    "unreachable",
    "provider",
    "denied",
    "expired",
    "token",
    "no-groups",
    "no-role",
    "disabled",
    "too-many",
]

#: The page ``/login`` has a sentence for each: what comes in an address is never shown.
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)


class SignInRefused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """Somebody is not let in; the message says why to who runs tonne, and has nothing secret."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
