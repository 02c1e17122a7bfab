"""Which family of devices a message of nobody's device fits: by its topic, and by what is read.

A message is compared with the devices of the families that come with tonne (see
:mod:`services.core.facility.discovery.patterns`). What fits by topic is filled in with the names
that the message has, and decoded as ingest would once it is registered: where values come out that
are no refusals, the message fits. So a proposal is never more than what its mapping makes of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec

from services.core.facility import mapping_expression
from services.core.facility.discovery.patterns import TOPIC, Pattern, TopicPattern, filled, patterns
from services.core.facility.discovery.recognised import Fit, Recognised
from services.core.facility.fleets import BY_KEY
from services.core.facility.mapping_model import word
from services.core.facility.model import FacilityFile
from services.core.store.registry import unapplied
from services.ingest.decode.observation import UndecodableError
from services.ingest.decode.record_source import record_source
from services.ingest.decode.selection import (
    Selection,
    SelectionCostError,
    SelectionError,
    selection,
)
from services.ingest.discovery.budget import Budget
from services.ingest.discovery.station_codes import unlisted
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.reasons import Reason
from services.ingest.resolve import Directory
from services.ingest.sources.source import Message

#: Larger payloads are not compared.
_MAX_BYTES: Final = 16 * 1024
#: Topics remembered at most, and devices at them; the topic heard longest ago makes room.
_MAX_TOPICS: Final = 1000
_MAX_FILLED: Final = 500
#: Devices of one topic.
_MAX_DEVICES: Final = 40
#: Devices that are filled in a second, in the mean; each costs some milliseconds.
_FILLED_PER_S: Final = 5
_SAVED_S: Final = 20.0
#: Messages at a topic that are compared before it is taken for no family's.
_LOOKS: Final = 5
#: Of a topic that was looked at so often, one of so many messages is.
_RARELY: Final = 20
#: What an expression may cost.
_MAX_STEPS: Final = 5000
#: Clocks of devices that are learned from may be wrong.
BOUNDS: Final = TimeBounds(
    oldest=datetime(2000, 1, 1, tzinfo=UTC), future_tolerance=timedelta(days=3650)
)
_FACILITY: Final = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Filled:
    """A device with the names of a topic, ready to decode its messages."""

    pattern: Pattern
    topic: TopicPattern
    names: Mapping[str, str]
    directory: Directory
    key: str
    label: str


@dataclass(kw_only=True, slots=True)
class _Spot:
    """What is known of a topic."""

    looks: int = 0
    filled: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Filled] = field(
        default_factory=dict
    )


class Recogniser:
    """Compares messages with the families; what it has filled in it remembers by topic."""

    def __init__(self) -> None:
        self._spots: OrderedDict[str, _Spot] = OrderedDict()
        self._filled = 0
        self._budget = Budget(_FILLED_PER_S, seconds=_SAVED_S)

    def fits(
        self, topic: str, payload: bytes, received_at: datetime, *, is_learned: bool = False
    ) -> list[Fit]:
        """Return the devices that a message fits, of each the closest family; none: nobody's.

        ``is_learned``: whether the message is learned from without it, so that only some of a topic
        need be looked at.
        """
        if not 0 < len(payload) <= _MAX_BYTES:
            return []
        spot = self._spot(topic)
        spot.looks += 1
        is_plain = is_learned and not any(one.pattern.in_records for one in spot.filled.values())
        if spot.looks > _LOOKS and spot.looks % _RARELY and (is_plain or not spot.filled):
            return []
        message = Message(topic=topic, payload=payload, received_at=received_at, token=None)
        by_device: dict[str, list[Fit]] = {}
        for pattern, topic_pattern, names in _of_topic(topic, payload):
            for bound in _bound(pattern, names, payload):
                fit = self._fit(spot, pattern, topic_pattern, bound, message)
                if fit is not None:
                    by_device.setdefault(_own_ids(pattern, bound), []).append(fit)
        return [_closest(rivals) for rivals in by_device.values()]

    def _spot(self, topic: str) -> _Spot:
        spot = self._spots.get(topic)
        if spot is None:
            while self._spots and (len(self._spots) >= _MAX_TOPICS or self._filled >= _MAX_FILLED):
                _, oldest = self._spots.popitem(last=False)
                self._filled -= len(oldest.filled)
            spot = self._spots[topic] = _Spot()
        self._spots.move_to_end(topic)
        return spot

    def _fit(
        self,
        spot: _Spot,
        pattern: Pattern,
        topic: TopicPattern,
        names: Mapping[str, str],
        message: Message,
    ) -> Fit | None:
        key = (pattern.family, pattern.device, tuple(sorted(names.items())))
        known = spot.filled.get(key)
        if known is None:
            if len(spot.filled) >= _MAX_DEVICES or self._budget.rests:
                return None
            self._budget.spend(1)
            try:
                known = _filled(pattern, topic, names, message.topic)
            except (ValueError, KeyError, TypeError):
                # what a device is called may be no name in a file
                return None
        prepared = prepare([message], known.directory, BOUNDS)
        if any(entry.reason != Reason.UNKNOWN_DEVICE for entry in prepared.quarantine):
            return None
        values = {row.channel: row.value for row in prepared.rows}
        others = unlisted(message.payload, pattern.statement)
        known_values = sum(value is not None for value in values.values())
        # a topic that its user chooses says nothing; much of the payload has to, once
        is_proven = topic.expression is not None or key in spot.filled
        if not (values or others) or (not is_proven and known_values * 2 < len(topic.channels)):
            return None
        if key not in spot.filled:
            spot.filled[key] = known
            self._filled += 1
        reason = (
            f"{topic.text}, {len(values)} of {len(topic.channels)} values as"
            f" {pattern.device} of {pattern.family}"
        )
        return Fit(
            recognised=Recognised(
                family=pattern.family,
                device=pattern.device,
                names=dict(names),
                reason=reason,
                closeness=topic.closeness,
                shares_topic=bool(pattern.in_records),
            ),
            key=known.key,
            label=known.label,
            values=values,
            others=others,
        )


def _own_ids(pattern: Pattern, names: Mapping[str, str]) -> str:
    """Return what tells the devices of one message apart; empty: it is one device's."""
    return "/".join(names[stated] for _, stated in sorted(pattern.in_records.items()))


def _closest(rivals: list[Fit]) -> Fit:
    """Return the closest of those that a device's message fits, with what it was closer than."""
    ranked = sorted(
        rivals, key=lambda fit: (len(fit.values), fit.recognised.closeness), reverse=True
    )
    best = ranked[0]
    others = dict.fromkeys(fit.recognised.family for fit in ranked[1:])
    others.pop(best.recognised.family, None)
    if others:
        best.recognised.reason += f"; closer than {', '.join(others)}"
    return best


@cache
def _index() -> tuple[
    Mapping[tuple[int, str | None], list[tuple[Pattern, TopicPattern]]],
    list[tuple[Pattern, TopicPattern]],
]:
    """Return patterns by levels and first level, and those of any topic."""
    by_shape: dict[tuple[int, str | None], list[tuple[Pattern, TopicPattern]]] = {}
    anywhere: list[tuple[Pattern, TopicPattern]] = []
    for pattern in patterns():
        for topic in pattern.topics:
            if topic.expression is None:
                anywhere.append((pattern, topic))
            else:
                by_shape.setdefault((topic.levels, topic.first), []).append((pattern, topic))
    return by_shape, anywhere


def is_shaped(topic: str) -> bool:
    """Whether a topic has the shape of one of a family's; any topic, which users choose, not."""
    return any(True for _ in _shaped(topic))


def _shaped(topic: str) -> Iterator[tuple[Pattern, TopicPattern, Mapping[str, str]]]:
    by_shape, _ = _index()
    levels = topic.split("/")
    for first in (levels[0], None):
        for pattern, shape in by_shape.get((len(levels), first), ()):
            match = None if shape.expression is None else shape.expression.fullmatch(topic)
            if match is not None:
                yield pattern, shape, dict(zip(shape.names, match.groups(), strict=True))


def _of_topic(
    topic: str, payload: bytes
) -> Iterator[tuple[Pattern, TopicPattern, Mapping[str, str]]]:
    yield from _shaped(topic)
    for pattern, shape in _index()[1]:
        if any(words and all(one in payload for one in words) for words in pattern.words):
            yield pattern, shape, {TOPIC: topic}


def _bound(
    pattern: Pattern, names: Mapping[str, str], payload: bytes
) -> Iterable[Mapping[str, str]]:
    """Return the names of each device that a message is of."""
    if not pattern.in_records:
        return [names]
    try:
        document = msgspec.json.decode(payload)
        records = list(_records(pattern, document))
        places = {
            stated: None if path == BY_KEY else selection(path, lists=False)
            for path, stated in pattern.in_records.items()
        }
        bound = [
            {**names, **{name: _id(record, select) for name, select in places.items()}}
            for record in records[:_MAX_DEVICES]
        ]
    except (msgspec.DecodeError, SelectionError, SelectionCostError, UndecodableError, ValueError):
        return []
    complete = [
        {name: text for name, text in one.items() if text} for one in bound if all(one.values())
    ]
    return list({tuple(sorted(one.items())): one for one in complete}.values())


def _id(record: Any, select: Selection | None) -> str | None:
    """Return what names a device; None: nothing that a facility file or the database could hold."""
    text = word(record if select is None else select(record))
    return None if text is None or "\0" in text else text


def _records(pattern: Pattern, document: Any) -> Iterable[Any]:
    if BY_KEY in pattern.in_records:
        return document if isinstance(document, dict) else ()
    statement = {
        key: value for key, value in pattern.statement.items() if key in {"records", "columns"}
    }
    source = record_source(statement, mapping_expression.Budget(_MAX_STEPS))
    if source is not None:
        return source.records(document, 1)
    return document if isinstance(document, list) else [document]


def _filled(pattern: Pattern, shape: TopicPattern, names: Mapping[str, str], topic: str) -> _Filled:
    statement = filled(pattern, names)
    whole = [
        channel["topic"]
        for channel in statement["channels"]
        if "topic" in channel and not {"from", "cell", "bytes"} & channel.keys()
    ]
    if len(set(whole)) < len(whole):
        # the name of one topic is that of another's channel: no file has it so
        raise ValueError("two channels are the whole of one message")
    file = FacilityFile.model_validate(
        {
            "facility": {"id": _FACILITY, "name": _FACILITY, "timezone": pattern.timezone},
            "devices": [statement],
        }
    )
    ids = [names[stated] for stated in pattern.in_records.values()]
    base = str(statement.get("topic", topic))
    own_names = dict.fromkeys([*(names[name] for name in shape.names), *ids])
    return _Filled(
        pattern=pattern,
        topic=shape,
        names=names,
        directory=Directory(unapplied.devices(file)),
        key="/".join([pattern.family, base, *own_names]),
        label=" ".join(own_names) or base,
    )
