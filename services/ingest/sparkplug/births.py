"""What a birth certificate explains: which metric an alias stands for, and of which type it is.

An alias means something between two births alone. What came while nobody knew which birth it
followed is therefore resolved by both: see :func:`agreed`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import msgspec

from services.ingest.decode.sparkplug import UNIT_PROPERTIES
from services.ingest.decode.sparkplug_payload import INTEGERS, properties, value_field

BD_SEQ: Final = "bdSeq"

#: Type of a property that is a text.
_TEXT: Final = 12


class BirthMetric(msgspec.Struct, frozen=True, omit_defaults=True):
    """One metric as a birth names it."""

    name: str
    datatype: int
    alias: int | None = None
    unit: str | None = None


class Meanings(msgspec.Struct, frozen=True):
    """What names and aliases mean."""

    by_name: Mapping[str, BirthMetric]
    by_alias: Mapping[int, BirthMetric]


@dataclass(frozen=True, kw_only=True)
class Birth:
    """A birth certificate of an edge node or of a device."""

    metrics: tuple[BirthMetric, ...]
    #: of an edge node: the number that its death certificate will have, too
    bd_seq: int | None = None

    @cached_property
    def meanings(self) -> Meanings:
        """What it explains; an alias that two metrics claim means nothing."""
        aliases = {metric.alias: metric for metric in self.metrics if metric.alias is not None}
        claims = Counter(metric.alias for metric in self.metrics)
        return Meanings(
            {metric.name: metric for metric in self.metrics},
            {alias: metric for alias, metric in aliases.items() if claims[alias] == 1},
        )


def read_birth(payload: Any) -> Birth:
    """Return what the payload of an NBIRTH or DBIRTH explains."""
    return Birth(
        metrics=tuple(
            BirthMetric(
                name=metric.name,
                datatype=metric.datatype,
                alias=metric.alias if metric.HasField("alias") else None,
                unit=_unit(metric),
            )
            for metric in payload.metrics
            if metric.name
        ),
        bd_seq=bd_seq(payload),
    )


def bd_seq(payload: Any) -> int | None:
    """Return the birth-death sequence number of an NBIRTH or NDEATH; None: it has none."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ and value_field(metric) in INTEGERS:
            return int(getattr(metric, metric.WhichOneof("value")))
    return None


def _unit(metric: Any) -> str | None:
    known = dict(properties(metric))
    units = (known.get(key) for key in UNIT_PROPERTIES)
    return next((unit for unit in units if isinstance(unit, str) and unit), None)


def agreed(before: Birth | None, after: Birth) -> Meanings:
    """Return what holds for a message between two births, whichever of them it follows.

    An alias, or a name's type, that they explain differently means nothing. ``before``: None where
    no birth was ever heard.
    """
    later = after.meanings
    if before is None:
        return later
    earlier = before.meanings
    return Meanings(
        {
            name: metric
            for name, metric in later.by_name.items()
            if name not in earlier.by_name or earlier.by_name[name].datatype == metric.datatype
        },
        {
            alias: metric
            for alias, metric in later.by_alias.items()
            if alias not in earlier.by_alias or _is_same(earlier.by_alias[alias], metric)
        },
    )


def _is_same(one: BirthMetric, other: BirthMetric) -> bool:
    return (one.name, one.datatype) == (other.name, other.datatype)


class Resolved(msgspec.Struct, frozen=True):
    """A payload in which metrics have their names, as far as they are known."""

    #: None: nothing was missing in the one that came
    payload: bytes | None
    #: whether every metric says what it is
    is_complete: bool
    #: names that no birth has
    news: frozenset[str]


def resolve(message: Any, known: Meanings) -> Resolved:
    """Give every metric of a payload its name, type and unit; ``message`` is changed."""
    changed, is_complete = False, True
    news: set[str] = set()
    for metric in message.metrics:
        if metric.name:
            explained = known.by_name.get(metric.name)
            if explained is None:
                news.add(metric.name)
        else:
            explained = known.by_alias.get(metric.alias) if metric.HasField("alias") else None
            if explained is None:
                is_complete = False
                continue
            metric.name = explained.name
            changed = True
        if not metric.HasField("datatype") and value_field(metric) in INTEGERS:
            if explained is None:
                is_complete = False
            else:
                metric.datatype = explained.datatype
                changed = True
        if explained is not None and explained.unit is not None and _unit(metric) is None:
            metric.properties.keys.append(UNIT_PROPERTIES[0])
            metric.properties.values.add(type=_TEXT, string_value=explained.unit)
            changed = True
    return Resolved(message.SerializeToString() if changed else None, is_complete, frozenset(news))


def is_plain(message: Any) -> bool:
    """Whether every metric of a payload says itself what it is."""
    return all(
        metric.name and (metric.HasField("datatype") or value_field(metric) not in INTEGERS)
        for metric in message.metrics
    )
