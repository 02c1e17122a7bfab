"""Which device or series a topic speaks of, and of what.

``emissions/{facility}/{device}/readings`` and ``.../status`` are tonne's own, and so is
``emissions/{facility}/factors/{series}/values``, with ``_shared`` for a series of every facility;
``emissions/{facility}/alerts/...`` and ``emissions/{facility}/totals`` are published by tonne
itself. Everything else below
``emissions/`` is a mistake that somebody must hear of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: Facilities, devices and channels are named by slugs.
SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")

ROOT: Final = "emissions"

#: Below it ingest speaks to itself; no facility can have this id.
RESERVED: Final = "_tonne"

#: Stands for the facility at topics of series that every facility can use; no id is this.
SHARED: Final = "_shared"

_FACTORS: Final = "factors"

#: Values of every series that all facilities can use come below it.
SHARED_SERIES: Final = f"{ROOT}/{SHARED}/{_FACTORS}"


class Kind(Enum):
    """What a message at a topic is."""

    READINGS = "readings"
    STATUS = "status"
    #: values of a factor by the hour
    VALUES = "values"
    #: published by tonne, or no business of tonne's
    IGNORED = "ignored"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A topic, understood."""

    kind: Kind
    #: empty with VALUES: the series is of every facility
    facility: str = ""
    device: str = ""
    series: str = ""
    #: for BAD: what is wrong
    detail: str = ""


_IGNORED: Final = Address(kind=Kind.IGNORED)


def parse(topic: str) -> Address:
    """Understand a topic that is not a device's own; pure, never raises."""
    levels = topic.split("/")
    if levels[0] != ROOT:
        return _IGNORED
    if levels[2:] == ["totals"] or (len(levels) == 4 and levels[2] == "alerts"):
        return _IGNORED
    if levels[1:2] == [RESERVED]:
        return _IGNORED
    if len(levels) == 5 and levels[2] == _FACTORS and levels[4] == Kind.VALUES.value:
        return _of_series(facility=levels[1], series=levels[3])
    return _of_device(levels)


def _of_device(levels: Sequence[str]) -> Address:
    if len(levels) != 4:
        return _bad(f"the topic has {len(levels)} levels instead of 4")
    _, facility, device, leaf = levels
    if leaf not in {"readings", "status"}:
        return _bad(f"the topic ends in {leaf[:63]!r} instead of readings or status")
    for name, slug in (("facility", facility), ("device", device)):
        if not SLUG.match(slug):
            return _bad(f"{slug[:80]!r} cannot be a {name}'s id")
    return Address(kind=Kind(leaf), facility=facility, device=device)


def values_topic(facility: str | None, series: str) -> str:
    """Return the topic of a series' values; None: of one that every facility can use."""
    return f"{ROOT}/{facility or SHARED}/{_FACTORS}/{series}/{Kind.VALUES.value}"


def _of_series(*, facility: str, series: str) -> Address:
    if facility != SHARED and not SLUG.match(facility):
        return _bad(f"{facility[:80]!r} cannot be a facility's id")
    if not SLUG.match(series):
        return _bad(f"{series[:80]!r} cannot be a factor's id")
    owner = "" if facility == SHARED else facility
    return Address(kind=Kind.VALUES, facility=owner, series=series)


def _bad(detail: str) -> Address:
    return Address(kind=Kind.BAD, detail=detail)
