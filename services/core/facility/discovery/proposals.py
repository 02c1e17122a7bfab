"""From what is learned of a device to the channels that it could have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from services.core.facility.discovery import families, makers
from services.core.facility.discovery.learning import Learned, Series
from services.core.facility.discovery.makers import Kind
from services.core.facility.discovery.names import is_export, known_unit, meaning, quantity
from services.core.facility.discovery.patterns import pattern_called
from services.core.facility.discovery.recognised import ReadChannel, Recognised

#: Quantities of registers; all others are rates and states.
_AMOUNTS: Final = frozenset({"energy", "volume", "mass"})
#: What a device must be heard to have so that it is proposed without being asked for.
_COUNTED: Final = frozenset({"energy", "power", "volume", "volume_flow", "mass", "mass_flow"})
#: Without a unit, a number is taken for a register when it rose so often and never fell.
_RISES: Final = 5

_WORD: Final = re.compile(r"[a-z0-9]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_SLUG: Final = 40
_MAX_CHANNELS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedChannel:
    """A number of a device as a channel."""

    id: str
    topic: str
    #: as ``from`` in a facility file: JMESPath, ``@`` for the whole payload, or a record's name
    path: str
    #: as the device calls it
    name: str
    quantity: str | None
    #: None: nothing says it, so that somebody must
    unit: str | None
    kind: Kind
    #: whether the unit is announced, documented or part of the name; else it is what most mean
    is_sure: bool
    #: whether it is adopted unless somebody says otherwise
    included: bool
    #: energy that flows out
    is_export: bool
    last: float | None
    messages: int
    rises: int
    falls: int
    interval_s: float | None
    #: id of the channel in its family's file that it is; None: of none
    example: str | None = None


def channels(family: str, learned: Learned) -> list[ProposedChannel]:
    """Return the channels that a device could have, those that count first."""
    if learned.recognised is not None:
        rows = sorted(_by_family(family, learned, learned.recognised), key=_counts_first)
        return list(_named_apart(rows[:_MAX_CHANNELS]))
    proposed = [_channel(family, series) for series in learned.series.values()]
    proposed.sort(key=_counts_first)
    return list(_named_apart(_once(proposed[:_MAX_CHANNELS])))


def _counts_first(channel: ProposedChannel) -> tuple[bool, bool, bool]:
    # registers tell most
    return not channel.included, channel.unit is None, channel.kind != "counter"


def worth(family: str, learned: Learned) -> int:
    """Return how much a candidate deserves its place: 2 for what counts, 1 for what may."""
    proposed = channels(family, learned)
    if any(channel.included for channel in proposed):
        return 2
    return int(any(channel.unit is not None or channel.rises for channel in proposed))


def device_id(label: str, key: str) -> str:
    """Return an id for a device that is called so."""
    return slug(label) or slug(key) or "device"


def slug(text: str) -> str:
    """Return a text as an id has it; empty: nothing of it can be one."""
    words = _WORD.findall(_CAMEL.sub(" ", text).lower())
    return "-".join(words)[:_LONGEST_SLUG].strip("-")


def _channel(family: str, series: Series) -> ProposedChannel:
    documented = makers.known(family, series.topic, series.path)
    unit, sure = _unit(family, series, documented)
    measured = None if unit is None else quantity(unit)
    kind = documented.kind if documented is not None else _kind(series, measured)
    name = _name(series)
    # an amount that falls again and again is none of a register
    is_plausible = measured not in _AMOUNTS or kind == "counter"
    return ProposedChannel(
        id=documented.name if documented is not None else slug(name) or "value",
        topic=series.topic,
        path=series.path,
        name=name,
        quantity=measured,
        unit=unit,
        kind=kind,
        is_sure=sure,
        included=measured in _COUNTED
        and is_plausible
        and (documented is None or documented.included),
        is_export=measured in {"energy", "power"} and is_export(f"{name} {series.path}"),
        last=series.last,
        messages=series.count,
        rises=series.rises,
        falls=series.falls,
        interval_s=series.interval_s,
    )


def _by_family(family: str, learned: Learned, recognised: Recognised) -> Iterator[ProposedChannel]:
    """Propose what a family's file has, then the other numbers, which its mapping leaves out."""
    is_plain, is_stack, stated = False, False, recognised.stated
    if recognised.family != families.FLEET:
        pattern = pattern_called(recognised.family, recognised.device)
        stated = {channel["id"]: channel for channel in pattern.statement["channels"]}
        is_plain = pattern.is_plain
        # concentrations and what they are converted by are what a stack is computed from
        is_stack = pattern.statement.get("format") == "hj212"
    taken: set[tuple[str, str]] = set()
    for name, read in recognised.channels.items():
        if name in stated:
            proposed = _stated(stated[name], read)
            proposed = replace(proposed, included=proposed.included or is_stack)
            taken.add((proposed.topic, proposed.path))
            yield proposed
    for series in learned.series.values():
        if is_stack:
            yield _unlisted(family, series)
        elif is_plain and (series.topic, series.path) not in taken:
            yield replace(_channel(family, series), included=False)


def _stated(stated: Mapping[str, Any], read: ReadChannel) -> ProposedChannel:
    """Return a channel of a family's file as a proposal."""
    unit = stated["unit"] if isinstance(stated["unit"], str) else stated["unit"]["default"]
    return ProposedChannel(
        id=stated["id"],
        topic=read.topic,
        path=str(stated.get("from", "@")),
        name=stated["id"],
        quantity=stated["quantity"],
        unit=unit,
        kind=stated["kind"],
        # what a pulse is worth stands on the meter
        is_sure="imp" not in str(stated.get("scale", "")),
        included=stated["quantity"] in _COUNTED,
        is_export=stated.get("direction") == "export",
        last=read.last,
        messages=read.count,
        rises=0,
        falls=0,
        interval_s=read.interval_s,
        example=stated["id"],
    )


def _unlisted(family: str, series: Series) -> ProposedChannel:
    """Return a factor of HJ 212 by its code: nobody knows what it is, so that it never counts."""
    proposed = _channel(family, series)
    return replace(proposed, quantity=None, unit=None, kind="gauge", is_sure=False, included=False)


def _unit(family: str, series: Series, documented: makers.Known | None) -> tuple[str | None, bool]:
    """Return a number's unit and whether that is sure."""
    if documented is not None:
        return documented.unit, True
    stated = known_unit(series.unit)
    if stated is not None:
        return stated, True
    if makers.has_table(family, series.path) or series.unit is not None:
        return None, False
    meant = meaning(_name(series))
    if meant is None and family == families.TASMOTA and slug(series.path).count("total"):
        # optical heads name registers as the meter's script does
        return "kWh", False
    return (None, False) if meant is None else (meant.unit, meant.sure)


def _kind(series: Series, measured: str | None) -> Kind:
    falls = series.falls - series.restarts
    if series.state_class == "measurement" or measured not in {None, *_AMOUNTS}:
        return "gauge"
    if series.state_class == "total_increasing" or measured is not None:
        # a register may begin again now and then, and rises much oftener
        is_register = falls == 0 and series.restarts * 10 <= max(series.rises, 1) * 2
        return "counter" if is_register or series.state_class == "total_increasing" else "gauge"
    return "counter" if series.rises >= _RISES and series.falls == 0 else "gauge"


def _name(series: Series) -> str:
    """Return what the device calls a number: the end of its path, or of its topic."""
    if series.name:
        return series.name
    if series.path == "@":
        levels = series.topic.split("/")
        # ESPHome's topics end so, and say nothing by it
        return levels[-2] if levels[-1] in {"state", "value"} and levels[1:] else levels[-1]
    steps = [step.strip('"') for step in re.findall(r'"[^"]*"|[^."]+', series.path)]
    return " ".join(steps[-2:])


def _once(proposed: Iterable[ProposedChannel]) -> Iterator[ProposedChannel]:
    """Include one of several that have the same name: that of the topic heard of oftenest."""
    rows = list(proposed)
    best: dict[str, ProposedChannel] = {}
    for channel in rows:
        if channel.included:
            other = best.setdefault(channel.id, channel)
            if other.topic != channel.topic and _rank(channel) > _rank(other):
                best[channel.id] = channel
    for channel in rows:
        chosen = best.get(channel.id)
        is_second = chosen is not None and chosen.topic != channel.topic
        yield replace(channel, included=False) if is_second else channel


def _rank(channel: ProposedChannel) -> tuple[bool, int]:
    # a notification of a Shelly tells its time
    return channel.topic.endswith("/events/rpc"), channel.messages


def _named_apart(proposed: Iterable[ProposedChannel]) -> Iterator[ProposedChannel]:
    taken: set[str] = set()
    for channel in proposed:
        name, number = channel.id, 2
        while name in taken:
            name, number = f"{channel.id}-{number}", number + 1
        taken.add(name)
        yield replace(channel, id=name)
