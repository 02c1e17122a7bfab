"""Which topic filters cover what ingest must hear, with few subscriptions that rarely change.

Few, because brokers bound what one session may have in flight over all its subscriptions together
(NATS: 65535 divided by ``max_ack_pending``). Rarely changing, because ending a subscription makes
the broker forget what it still holds for it: a filter made for one more device of a known shape
must be the filter that is there already. Where devices' topics begin in too many ways, topics with
the same number of levels share one filter, and more is heard that is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.ingest.route import ROOT

#: Everything below ``emissions/``, so that topics with a wrong number of levels are seen too.
_NATIVE: Final = f"{ROOT}/#"


def filters(own_topics: Iterable[str], *, most_own: int | None) -> frozenset[str]:
    """The topic filters to subscribe to; what they bring beside devices' topics is ignored.

    ``most_own`` is how many the broker takes beside tonne's; None: any number.
    """
    own = {_shape(topic) for topic in own_topics if not topic.startswith(f"{ROOT}/")}
    if most_own is not None and len(own) > most_own:
        own = {_without_first_level(shape) for shape in own}
    return frozenset({_NATIVE, *own})


def _shape(topic: str) -> str:
    """The first level and as many levels as the topic has: ``tele/pow1/SENSOR``, ``tele/+/+``."""
    first, *others = topic.split("/")
    return "/".join([first, *("+" for _ in others)])


def _without_first_level(shape: str) -> str:
    """``tele/+/+``, ``+/+/+``; but not where it would bring tonne's own topics a second time."""
    _, *others = shape.split("/")
    return shape if len(others) == 3 else "/".join(["+", *others])
