"""Which topic filters cover what ingest must hear, and how to go from one set of them to another.

Few, because brokers bound what one session may have in flight over all its subscriptions together:
NATS takes 65535 divided by ``max_ack_pending``, and counts a filter that ends in ``/#`` twice. Such
counts are units here. Never two that match the same topic, because NATS delivers for each. Rarely
changing: a filter made for one more device of a known shape is the filter that is there already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Final

from services.core.facility.topics import unheard
from services.ingest.route import ROOT

#: Everything below ``emissions/``, so that topics with a wrong number of levels are seen too.
NATIVE: Final = f"{ROOT}/#"

#: Everything but the broker's own topics, which begin with ``$``. It stands for all other filters.
ALL: Final = "#"


def units(filters: Iterable[str]) -> int:
    """How much of a session's allowance the filters take."""
    return sum(2 if filter_.endswith("/#") else 1 for filter_ in filters)


def filters(own_topics: Iterable[str], *, max_units: int | None) -> frozenset[str]:
    """Return the topic filters to subscribe to; what they bring beside devices' is ignored.

    ``max_units``: how much of the allowance they may take; None: any. First one filter for each
    first level and number of levels; where that is too many, one for all below a first level; at
    last one for everything.
    """
    shapes = {
        _shape(topic) for topic in own_topics if not unheard(topic) and topic.split("/")[0] != ROOT
    }
    if max_units is None or units({NATIVE, *shapes}) <= max_units:
        return frozenset({NATIVE, *shapes})
    joined = _joined_below_first_level(shapes)
    if units({NATIVE, *joined}) <= max_units:
        return frozenset({NATIVE, *joined})
    return frozenset({ALL})


def former(own_topics: Iterable[str]) -> frozenset[str]:
    """Return what a session may hold from a version that did not note it."""
    shapes = {_shape(topic) for topic in own_topics if not topic.startswith(f"{ROOT}/")}
    levels = {"/".join("+" for _ in shape.split("/")) for shape in shapes}
    return frozenset({NATIVE, *shapes, *levels})


def _shape(topic: str) -> str:
    """Keep the first level and the number of levels: ``tele/pow1/SENSOR``, ``tele/+/+``."""
    first, *others = topic.split("/")
    return "/".join([first, *("+" for _ in others)])


def _joined_below_first_level(shapes: Iterable[str]) -> set[str]:
    """Three shapes or more of one first level become ``shellies/#``, which takes two units."""
    by_first: defaultdict[str, set[str]] = defaultdict(set)
    for shape in shapes:
        by_first[shape.split("/")[0]].add(shape)
    joined: set[str] = set()
    for first, topics in by_first.items():
        joined |= topics if len(topics) < 3 else {f"{first}/#"}
    return joined


def matches(filter_: str, topic: str) -> bool:
    """Whether the filter brings messages of the topic."""
    if topic.startswith("$") and filter_[:1] in {"+", "#"}:
        return False
    wanted, levels = filter_.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        levels_alike = len(levels) >= len(wanted)
    else:
        levels_alike = len(levels) == len(wanted)
    return levels_alike and all(w in {"+", level} for w, level in zip(wanted, levels, strict=False))


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What to ask the broker for next."""

    wanted: frozenset[str]
    #: to be left when what the broker holds for them has come; the new filters bring their topics
    draining: frozenset[str]
    #: to be left at once: no device's topic matches
    needless: frozenset[str]


def step(
    subscribed: Set[str],
    wanted: frozenset[str],
    own_topics: Iterable[str],
    *,
    max_units: int | None,
    refused: Set[str] = frozenset(),
) -> Step:
    """Return the next step from the filters that a session holds towards those that are wanted.

    To leave a filter makes NATS forget what it holds for it, so the old ones stand beside the new
    until they are drained. Where both do not fit, or the broker refuses one, the filter for
    everything stands in: a unit is always kept free for it.
    """
    heard = [topic for topic in own_topics if not unheard(topic)]
    needed = {
        filter_
        for filter_ in subscribed - wanted
        if filter_ in {ALL, NATIVE} or any(matches(filter_, topic) for topic in heard)
    }
    too_many = max_units is not None and units((needed | wanted) - {ALL}) > max_units
    avoidable = {filter_ for filter_ in refused & wanted if not any(map(str.isspace, filter_))}
    if (too_many or avoidable) and ALL not in refused:
        wanted, needed = frozenset({ALL}), (needed | (wanted & subscribed)) - {ALL}
    return Step(
        wanted=wanted,
        draining=frozenset(needed),
        needless=frozenset(subscribed - wanted - needed),
    )
