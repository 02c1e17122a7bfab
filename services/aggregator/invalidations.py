"""Invalidations: minutes of channels whose readings changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.core.store.emissions.claims import ClaimedPairs
from services.core.store.registry.plan import FacilityPlan
from services.core.store.schema import restatement_reasons as why

Integers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Invalidations:
    """Element i of each: a channel, a minute, and the second of it at which its changes begin.

    Ascending by channel and minute, without duplicates.
    """

    channels: Integers
    minutes: Integers
    seconds: Integers
    #: why, and who caused it; None: readings arrived
    reason: str | None = None
    #: there may be more than was claimed
    more: bool = False

    @classmethod
    def pairs(
        cls,
        channels: Integers,
        minutes: Integers,
        seconds: Integers,
        reason: str | None = None,
        *,
        more: bool = False,
    ) -> Invalidations:
        """From pairs in any order, some of them twice."""
        order = np.lexsort((seconds, minutes, channels))
        channels, minutes, seconds = channels[order], minutes[order], seconds[order]
        first = np.ones(channels.size, dtype=np.bool_)
        first[1:] = (channels[1:] != channels[:-1]) | (minutes[1:] != minutes[:-1])
        return cls(
            channels=channels[first],
            minutes=minutes[first],
            seconds=seconds[first],
            reason=reason,
            more=more,
        )

    @classmethod
    def claimed(cls, pairs: ClaimedPairs) -> Invalidations:
        """From pairs as they were claimed."""
        return cls.pairs(
            pairs.channels, pairs.minutes, pairs.seconds, pairs.reason, more=pairs.more
        )

    @classmethod
    def whole(cls, minutes: Mapping[int, Integers]) -> Invalidations:
        """Minutes by channel, each from its start on."""
        channels = [np.full(of_channel.size, channel) for channel, of_channel in minutes.items()]
        table = np.concatenate([*channels, np.zeros(0, dtype=np.int64)])
        flat = np.concatenate([*minutes.values(), np.zeros(0, dtype=np.int64)])
        return cls.pairs(table, flat, np.zeros_like(flat))

    @property
    def since_us(self) -> Integers:
        """The instant at which each pair's changes begin, in microseconds since the epoch."""
        return (self.minutes * 60 + self.seconds) * 1_000_000

    def since(self) -> tuple[Integers, Integers]:
        """Each channel once, ascending, and the first instant at which it changed."""
        channels, first = np.unique(self.channels, return_index=True)
        return channels, self.since_us[first]

    def among(self, channels: Integers) -> Invalidations:
        """Those of some channels, none of which is given twice."""
        chosen = np.isin(self.channels, channels)
        return replace(
            self,
            channels=self.channels[chosen],
            minutes=self.minutes[chosen],
            seconds=self.seconds[chosen],
        )

    def bounds(self) -> dict[int, tuple[int, int]]:
        """First and last minute by channel."""
        channels, first = np.unique(self.channels, return_index=True)
        ends = np.append(first[1:], self.channels.size) - 1 if first.size else first
        firsts, lasts = self.minutes[first].tolist(), self.minutes[ends].tolist()
        return dict(zip(channels.tolist(), zip(firsts, lasts, strict=True), strict=True))


class InvalidationReasons(Mapping[int, str]):
    """Why sources changed, by source; put into words only where it is asked for.

    Late readings are named by their channels, of each source by its own.
    """

    def __init__(self, plan: FacilityPlan, invalidations: Invalidations) -> None:
        self._plan, self._reason = plan, invalidations.reason
        self._invalidated = invalidations.channels

    @cached_property
    def _channels(self) -> dict[int, list[str]]:
        names: dict[int, list[str]] = {}
        for channel in np.unique(self._invalidated).tolist():
            for source_id in self._plan.fed_by[channel]:
                names.setdefault(source_id, []).append(self._plan.channel_names[channel])
        return names

    def __getitem__(self, source_id: int) -> str:
        names = self._channels[source_id]
        return self._reason or why.reason(why.LATE_READINGS, why.listed(sorted(names)))

    def __iter__(self) -> Iterator[int]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)
