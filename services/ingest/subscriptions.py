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


#: With :data:`_NATIVE`, which counts twice, 7 times the 8192 in flight that NATS is shipped with.
_MOST_OWN: Final = 5


def filters(own_topics: Iterable[str]) -> frozenset[str]:
    """The topic filters to subscribe to; what they bring beside devices' topics is ignored."""
    own = {_shape(topic) for topic in own_topics if not topic.startswith(f"{ROOT}/")}
    if len(own) > _MOST_OWN:
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
