"""What a tick changed: from which minute on limits are to be judged again, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.core.store.emission_writer import Changes


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """First and last changed minutes, by source and by channel; filled in as the tick goes on."""

    sources: dict[int, tuple[int, int]] = field(default_factory=dict)
    channels: dict[int, tuple[int, int]] = field(default_factory=dict)
    #: by source: why it changed
    reasons: dict[int, str] = field(default_factory=dict)

    def note(self, changes: Changes, reasons: Mapping[int, str]) -> None:
        """Take note of changed minutes of sources."""
        for source, minute in zip(
            changes.columns["sources"], changes.columns["minutes"], strict=True
        ):
            self.note_span(source, minute, minute, reasons.get(source))

    def note_span(self, source: int, first: int, last: int, reason: str | None) -> None:
        """Take note of a source's minutes from ``first`` to ``last`` that changed."""
        before = self.sources.get(source, (first, last))
        self.sources[source] = min(first, before[0]), max(last, before[1])
        # what came first caused the rest
        if reason is not None:
            self.reasons.setdefault(source, reason)

    def note_readings(self, minutes: Mapping[int, NDArray[np.int64]]) -> None:
        """Take note of readings, by channel."""
        for channel, of_channel in minutes.items():
            self.channels[channel] = int(of_channel[0]), int(of_channel[-1])
