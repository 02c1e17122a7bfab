"""Which device a topic speaks of, and of what.

``emissions/{facility}/{device}/readings`` and ``.../status`` are tonne's own;
``emissions/{facility}/alerts/...`` is published by tonne itself. Everything else below
``emissions/`` is a mistake that somebody must hear of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: Facilities, devices and channels are named by slugs.
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")

ROOT: Final = "emissions"

#: Below it ingest speaks to itself; no facility can have this id.
RESERVED: Final = "_tonne"


class Kind(Enum):
    """What a message at a topic is."""

    READINGS = "readings"
    STATUS = "status"
    #: published by tonne, or no business of tonne's
    IGNORED = "ignored"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A topic, understood."""

    kind: Kind
    facility: str = ""
    device: str = ""
    #: for BAD: what is wrong
    detail: str = ""


_IGNORED: Final = Address(kind=Kind.IGNORED)


def parse(topic: str) -> Address:
    """Understand a topic that is not a device's own; pure, never raises."""
    levels = topic.split("/")
    if levels[0] != ROOT:
        return _IGNORED
    if (len(levels) == 4 and levels[2] == "alerts") or levels[1:2] == [RESERVED]:
        return _IGNORED
    if len(levels) != 4:
        return _bad(f"the topic has {len(levels)} levels instead of 4")
    _, facility, device, leaf = levels
    if leaf not in {"readings", "status"}:
        return _bad(f"the topic ends in {leaf[:63]!r} instead of readings or status")
    for name, slug in (("facility", facility), ("device", device)):
        if not SLUG.match(slug):
            return _bad(f"{slug[:80]!r} cannot be a {name}'s id")
    return Address(kind=Kind(leaf), facility=facility, device=device)


def _bad(detail: str) -> Address:
    return Address(kind=Kind.BAD, detail=detail)
