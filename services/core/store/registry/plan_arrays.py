"""A plan as arrays, made once for each revision: a tick looks up all that it computes at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.core.accounting.series import ChannelRule
from services.core.timeline.instants import MINUTE_US

if TYPE_CHECKING:
    from services.core.store.registry.plan import SourcePlan

Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTable:
    """Rules, each once; element i of the arrays is of rule i, see ``Context``."""

    rules: Sequence[ChannelRule]
    #: minutes before the first and after the last one
    lead: Integers
    trail: Integers
    #: readings before and after these
    before: Integers
    after: Integers

    @classmethod
    def numbered(cls, rules: Iterable[ChannelRule]) -> tuple[RuleTable, Integers]:
        """Return the rules, and the number of each; what is equal and one object has one."""
        numbers: dict[int, int] = {}
        distinct: list[ChannelRule] = []
        number_of_each = []
        for rule in rules:
            number = numbers.setdefault(id(rule), len(distinct))
            if number == len(distinct):
                distinct.append(rule)
            number_of_each.append(number)
        context = [rule.context for rule in distinct]
        table = cls(
            rules=distinct,
            lead=_integers(-(-c.lead_us // MINUTE_US) for c in context),
            trail=_integers(-(-c.trail_us // MINUTE_US) for c in context),
            before=_integers(c.before for c in context),
            after=_integers(c.after for c in context),
        )
        return table, _integers(number_of_each)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lists:
    """Several lists of ids one after the other."""

    ids: Integers
    begins: Integers
    counts: Integers

    @classmethod
    def joined(cls, lists: Iterable[Collection[int]]) -> Lists:
        """Return the lists in their order."""
        every = list(lists)
        counts = _integers(len(ids) for ids in every)
        return cls(
            ids=_integers(id_ for ids in every for id_ in ids),
            begins=np.cumsum(counts) - counts,
            counts=counts,
        )

    def of_each(self, numbers: Integers) -> tuple[Integers, Integers, Integers]:
        """Return the lists of these numbers as one.

        And for each id in it, which of ``numbers`` it is of, and for each of these where it begins.
        """
        counts = self.counts[numbers]
        row = np.repeat(np.arange(counts.size), counts)
        begins = np.cumsum(counts) - counts
        return self.ids[np.arange(row.size) + (self.begins[numbers] - begins)[row]], row, begins


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanArrays:
    """Sources and channels by their numbers: each one's place among the ids, which ascend."""

    source_ids: Integers
    #: equal where methods, roles and kinds of inputs are, so that they are computed side by side
    method: Integers
    is_under_rule: Bools
    #: channels by role, in the order of the source's inputs
    inputs: Lists
    channel_ids: Integers
    is_register: Bools
    #: minutes that a reading speaks of, before and after its own
    reaches_back: Integers
    holds: Integers
    rules: RuleTable
    rule: Integers
    #: sources by channel
    feeds: Lists

    @classmethod
    def from_plan(
        cls,
        sources: Mapping[int, SourcePlan],
        channels: Mapping[int, ChannelRule],
        fed_by: Mapping[int, Collection[int]],
    ) -> PlanArrays:
        """Return those of sources, the rules of their channels, and the sources that these feed."""
        source_ids, channel_ids = sorted(sources), sorted(channels)
        methods: dict[tuple[object, ...], int] = {}
        method = []
        for source in (sources[source_id] for source_id in source_ids):
            rates = tuple(channels[channel].is_rate for channel in source.inputs.values())
            equal = (id(source.method), tuple(source.inputs), rates)
            method.append(methods.setdefault(equal, len(methods)))
        of_channels = [channels[channel] for channel in channel_ids]
        rules, rule = RuleTable.numbered(of_channels)
        return cls(
            source_ids=_integers(source_ids),
            method=_integers(method),
            is_under_rule=np.array([sources[i].closing is not None for i in source_ids], np.bool_),
            inputs=Lists.joined(sources[source_id].inputs.values() for source_id in source_ids),
            channel_ids=_integers(channel_ids),
            is_register=np.array([rule.kind == "counter" for rule in of_channels], np.bool_),
            reaches_back=_integers(-(-rule.reaches_back_us // MINUTE_US) for rule in of_channels),
            holds=_integers(-(-rule.holds_us // MINUTE_US) for rule in of_channels),
            rules=rules,
            rule=rule,
            feeds=Lists.joined(fed_by.get(channel, ()) for channel in channel_ids),
        )

    def sources(self, ids: Integers) -> Integers:
        """Return the numbers of sources, which must be among them."""
        return np.searchsorted(self.source_ids, ids)

    def channels(self, ids: Integers) -> Integers:
        """Return the numbers of channels, which must be among them."""
        return np.searchsorted(self.channel_ids, ids)


def _integers(values: Iterable[int]) -> Integers:
    return np.fromiter(values, dtype=np.int64)
