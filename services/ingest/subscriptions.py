"""Which topic filters cover what ingest must hear, with as few subscriptions as possible.

Brokers bound what one session may have in flight over all its subscriptions together (NATS: 65535
divided by ``max_ack_pending``), so devices' own topics that differ in one level share a filter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.ingest.route import ROOT

#: Everything below ``emissions/``, so that topics with a wrong number of levels are seen too.
_NATIVE: Final = f"{ROOT}/#"


def filters(own_topics: Iterable[str]) -> frozenset[str]:
    """The topic filters to subscribe to; topics in no need of a device are ignored on arrival."""
    needed = {topic for topic in own_topics if not topic.startswith(f"{ROOT}/")}
    return frozenset({_NATIVE, *_merged(needed)})


def _merged(topics: set[str]) -> set[str]:
    """Replace every two and more topics that differ in one level by a filter with ``+`` there."""
    by_filter: dict[str, set[str]] = {}
    for topic in topics:
        levels = topic.split("/")
        for index in range(1, len(levels)):
            pattern = "/".join([*levels[:index], "+", *levels[index + 1 :]])
            by_filter.setdefault(pattern, set()).add(topic)
    left = set(topics)
    merged = set()
    for pattern, alike in sorted(by_filter.items(), key=lambda each: (-len(each[1]), each[0])):
        if len(alike & left) > 1:
            merged.add(pattern)
            left -= alike
    return merged | left
