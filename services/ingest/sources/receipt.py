"""What became of the readings of one message, for whom waits to hear it.

A broker wants to know that a message is durable, and nothing else. Who sends readings and waits for
an answer hears what was new, what was there already, and of each reading that was refused why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from services.core.store.readings.quarantine_reasons import Reason


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was not stored."""

    reason: Reason
    #: what is wrong, without what to do about it
    detail: str
    channel: str | None = None
    #: microseconds since the epoch, UTC
    ts_us: int | None = None
    value: float | None = None
    #: number of the record in its message; None: not known, or it is said of all of them
    record: int | None = None


@dataclass(kw_only=True, slots=True)
class Receipt:
    """Filled in by the pipeline, and complete when the message is acknowledged."""

    new: int = 0
    #: stored already, or said by a reading that yields to what is stored
    repeated: int = 0
    #: took the place of what was stored, by the channel's own rule
    replaced: int = 0
    #: each with whether it lies in quarantine
    refusals: list[tuple[Refusal, bool]] = field(default_factory=list)

    def count(self, *, new: int, repeated: int, replaced: int) -> None:
        """Add readings that are durable now."""
        self.new += new
        self.repeated += repeated
        self.replaced += replaced

    def awaiting(self, refusals: Sequence[Refusal]) -> Callable[[bool], None]:
        """Return what is to be called when it is known whether quarantine had room for them."""
        return partial(self._refuse, refusals)

    def _refuse(self, refusals: Sequence[Refusal], is_quarantined: bool) -> None:
        self.refusals += [(refusal, is_quarantined) for refusal in refusals]
