"""Which topic filters cover what ingest must hear, with few subscriptions that rarely change.

Few, because brokers bound what one session may have in flight over all its subscriptions together
(NATS: 65535 divided by ``max_ack_pending``). Rarely changing, because ending a subscription makes
the broker forget what it still holds for it: a filter made for one more device of a known shape
must be the filter that is there already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.ingest.route import ROOT

#: Everything below ``emissions/``, so that topics with a wrong number of levels are seen too.
_NATIVE: Final = f"{ROOT}/#"


def filters(own_topics: Iterable[str]) -> frozenset[str]:
    """The topic filters to subscribe to; what they bring beside devices' topics is ignored."""
    return frozenset({_NATIVE, *(_shape(t) for t in own_topics if not t.startswith(f"{ROOT}/"))})


def _shape(topic: str) -> str:
    """The first level and as many levels as the topic has: ``tele/pow1/SENSOR``, ``tele/+/+``."""
    first, *others = topic.split("/")
    return "/".join([first, *("+" for _ in others)])
