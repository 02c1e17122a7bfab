"""Why an hour that was closed has a new version: a kind, and what or who caused it.

Stored as one sentence, ``kind: cause``; written by whatever starts a restatement, taken apart again
where restatements are listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

LATE_READINGS: Final = "late readings"
HELD_ON: Final = "value held on"
ACCEPTED_CORRECTION: Final = "accepted correction"
BETTER_READING: Final = "better reading"
NEWER_READING: Final = "newer reading"
DISCARDED_READING: Final = "discarded reading"
CORRECTED_READING: Final = "corrected reading"
FACTOR_VERSION: Final = "factor version"
CHANNEL_CONFIGURATION: Final = "channel configuration"
REGISTER_EPOCH: Final = "register epoch"
SOURCE_CONFIGURATION: Final = "source configuration"
SOURCE_ADDED: Final = "source added"
SUBSTITUTION_RESOLVED: Final = "substitution resolved"
RECOMPUTATION: Final = "recomputation"

KINDS: Final = (
    LATE_READINGS,
    HELD_ON,
    ACCEPTED_CORRECTION,
    BETTER_READING,
    NEWER_READING,
    DISCARDED_READING,
    CORRECTED_READING,
    FACTOR_VERSION,
    CHANNEL_CONFIGURATION,
    REGISTER_EPOCH,
    SOURCE_CONFIGURATION,
    SOURCE_ADDED,
    SUBSTITUTION_RESOLVED,
    RECOMPUTATION,
)

#: Of a longer list, this many are named.
_MAX_NAMES = 5


def reason(kind: str, cause: str = "") -> str:
    """Return the sentence that is stored."""
    return f"{kind}: {cause}" if cause else kind


def discarded(by: str, cause: str) -> str:
    """Return the sentence of readings that somebody took away."""
    return f"{DISCARDED_READING} by {by}: {cause}"


def corrected(by: str, cause: str) -> str:
    """Return the sentence of readings that somebody corrected."""
    return f"{CORRECTED_READING} by {by}: {cause}"


def kind_and_cause(stored: str) -> tuple[str, str | None]:
    """Return kind and cause of a stored sentence; one of no known kind is a kind of its own."""
    for kind in KINDS:
        if stored == kind:
            return kind, None
        if stored.startswith((f"{kind}: ", f"{kind} by ")):
            return kind, stored[len(kind) :].removeprefix(":").strip()
    return stored, None


def listed(names: Sequence[str]) -> str:
    """Return names in one phrase; of many the first ones and how many more there are."""
    shown = ", ".join(names[:_MAX_NAMES])
    more = len(names) - _MAX_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def hours_between(first: int, last: int) -> str:
    """Return hours since the epoch, both included, in words."""
    begin, end = (f"{datetime.fromtimestamp(h * 3600, UTC):%Y-%m-%dT%H:%MZ}" for h in (first, last))
    return f"hour {begin}" if first == last else f"hours {begin} to {end}"
