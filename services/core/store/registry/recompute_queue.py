"""What a change of configuration makes to be computed again, and why, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, func, insert, select, text, union_all

from services.core.facility import model
from services.core.facility.in_force import OVER_TIME, differing_from, in_force
from services.core.store.registry.apply_factors import FactorChange
from services.core.store.schema import restatement_reasons as why
from services.core.store.schema import tables as t
from services.core.store.schema.packed_tables import packed_hours, packed_readings
from services.core.timeline.instants import DAY_MINUTES, MINUTE_US, to_minute

#: An interval or a hold may reach a day beyond the reading that states it.
_REACH_MINUTES = DAY_MINUTES

_LOGS = text(
    "SELECT min(CAST(spec ->> 'since' AS timestamptz)), known_now() FROM channel"
    " WHERE id = ANY(:channels) AND kind = 'event'"
)

#: Of a longer value, this much is shown.
_SHOWN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Recomputation:
    """Why a source is to be computed again, and how much of it."""

    reason: str
    #: ``factor``: masses alone change, from amounts that are stored
    step: Literal["readings", "factor"] = "readings"
    #: days of the facility, end exclusive; None: without end
    first_day: date | None = None
    end_day: date | None = None
    #: since the epoch; None: all of it
    first_minute: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelChange:
    """Why a channel's readings count otherwise, and from which minute since the epoch on."""

    reason: str
    #: None: all of them
    first_minute: int | None = None


def of_spec(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what differs between two configurations of ``name``."""
    parts = [
        f"{key} {_shown(was)} -> {_shown(becomes)}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
        for was, becomes in (_differing(before.get(key), after.get(key)),)
    ]
    return f"{name} {', '.join(parts)}"


#: Keys that say what becomes of readings as they arrive: what is stored counts as before.
_AT_ARRIVAL = frozenset({"corrections", "invalid"})


def of_channel(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> ChannelChange | None:
    """Return what a change of a channel's configuration does; None: it alters no total."""
    before, after = (
        {k: v for k, v in spec.items() if k not in _AT_ARRIVAL} for spec in (before, after)
    )
    if before == after:
        return None
    rest = [{k: v for k, v in spec.items() if k != "epochs"} for spec in (before, after)]
    if rest[0] == rest[1]:
        return ChannelChange(reason=why.reason(why.REGISTER_EPOCH, of_spec(name, before, after)))
    reason = why.reason(why.CHANNEL_CONFIGURATION, of_spec(name, before, after))
    rest = [{k: v for k, v in spec.items() if k not in OVER_TIME} for spec in (before, after)]
    if rest[0] != rest[1]:
        return ChannelChange(reason=reason)
    unit = after["unit"]
    starts = differing_from(in_force(unit, before), in_force(unit, after))
    if not starts:
        return None
    # what a register counted long before a change is judged by readings after it
    if starts[0] is None or after["kind"] == "counter":
        return ChannelChange(reason=reason)
    return ChannelChange(reason=reason, first_minute=starts[0] // MINUTE_US - _REACH_MINUTES)


def of_factors(altered: Mapping[str, FactorChange], *, factor: str | None) -> Recomputation | None:
    """Return what changes of factors make of a source; ``factor``: the one that says it."""
    if not altered:
        return None
    firsts = [change.first_day for change in altered.values()]
    ends = [change.end_day for change in altered.values()]
    figures_only = all(change.same_days or slug != factor for slug, change in altered.items())
    return Recomputation(
        reason=why.reason(
            why.FACTOR_VERSION, "; ".join(change.cause for _, change in sorted(altered.items()))
        ),
        step="factor" if figures_only else "readings",
        first_day=None if None in firsts else min(filter(None, firsts)),
        end_day=None if None in ends else max(filter(None, ends)),
    )


def of_source(
    old: Row[Any] | None,
    source: model.StoredSource,
    spec: Any,
    inputs: Mapping[str, int],
    altered_channels: Mapping[int, ChannelChange],
    altered_factors: Mapping[str, FactorChange],
    rezoned: str | None,
) -> Recomputation | None:
    """Return what the changes make of a source; ``old``: its row before, ``spec``: as it is now.

    ``rezoned``: how the facility's time zone changed, for factors and reporting periods change at
    midnight.
    """
    if old is None:
        return Recomputation(reason=why.reason(why.SOURCE_ADDED, source.id))
    cause = rezoned
    before, after = (_computed(s) for s in (old.spec, spec))
    if before != after:
        cause = of_spec(source.id, before, after)
    elif not old.active:
        cause = f"{source.id} is in the facility file again"
    if cause is not None:
        return Recomputation(reason=why.reason(why.SOURCE_CONFIGURATION, cause))
    changes = [altered_channels[c] for c in inputs.values() if c in altered_channels]
    if changes:
        firsts = [change.first_minute for change in changes]
        return Recomputation(
            reason="; ".join(dict.fromkeys(change.reason for change in changes)),
            first_minute=None if None in firsts else min(f for f in firsts if f is not None),
        )
    if isinstance(source, model.ActivitySource):
        altered = {
            slug: altered_factors[slug] for slug in source.factors if slug in altered_factors
        }
        return of_factors(altered, factor=source.factor)
    return None


#: Keys of a pollutant that say how its means are judged, not what they are.
_OF_LIMITS = frozenset({"limits", "confidence_interval"})


#: Keys of a source that say how answers name it and where they add it up.
_OF_ANSWERS = frozenset({"name", "evidence", "scope3_category", "removal"})


def _computed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a source's configuration alters its totals: not what people call it."""
    computed = {key: value for key, value in spec.items() if key not in _OF_ANSWERS}
    if "pollutants" in computed:
        computed["pollutants"] = [
            {key: value for key, value in pollutant.items() if key not in _OF_LIMITS}
            for pollutant in computed["pollutants"]
        ]
    return computed


def queue(
    connection: Connection,
    facility_id: int,
    source_id: int,
    channel_ids: Iterable[int],
    wanted: Recomputation,
    *,
    timezone: str,
    by: str | None,
) -> None:
    """Queue the minutes of the source that are known and lie in the days that are concerned."""
    bounds = (
        _of_hours(connection, source_id)
        if wanted.step == "factor"
        else _of_inputs(connection, source_id, list(channel_ids))
    )
    if bounds is None:
        return
    zone = ZoneInfo(timezone)
    first, end = bounds
    if wanted.first_minute is not None:
        first = max(first, wanted.first_minute)
    if wanted.first_day is not None:
        first = max(first, _midnight(wanted.first_day, zone))
    if wanted.end_day is not None:
        end = min(end, _midnight(wanted.end_day, zone))
    if first < end:
        connection.execute(
            insert(t.recompute).values(
                facility_id=facility_id,
                source_id=source_id,
                from_minute=first,
                to_minute=end,
                reason=wanted.reason if by is None else f"{wanted.reason}; applied by {by}",
                step=wanted.step,
            )
        )


def _of_inputs(
    connection: Connection, source_id: int, channel_ids: Collection[int]
) -> tuple[int, int] | None:
    """Return the minutes that its inputs may speak of; a log of events does so without readings."""
    begin, now = connection.execute(_LOGS, {"channels": list(channel_ids)}).one()
    bounds = [_of_readings(connection, channel_ids)]
    if begin is not None:
        # where it began earlier before, its hours are there still
        bounds += [(_minute(begin), _minute(now) + DAY_MINUTES), _of_hours(connection, source_id)]
    known = [minutes for minutes in bounds if minutes is not None]
    return (min(a for a, _ in known), max(b for _, b in known)) if known else None


def _of_readings(connection: Connection, channel_ids: Collection[int]) -> tuple[int, int] | None:
    r, p = t.reading.c, packed_readings.c
    bounds = union_all(
        select(func.min(r.ts).label("first"), func.max(r.ts).label("last")).where(
            r.channel_id.in_(channel_ids)
        ),
        select(func.min(p.first_ts), func.max(p.last_ts)).where(p.channel_id.in_(channel_ids)),
    ).subquery()
    first, last = connection.execute(
        select(func.min(bounds.c.first), func.max(bounds.c.last))
    ).one()
    if first is None:
        return None
    return _minute(first) - _REACH_MINUTES, _minute(last) + _REACH_MINUTES + 1


def _of_hours(connection: Connection, source_id: int) -> tuple[int, int] | None:
    h, p = t.emission_hour.c, packed_hours.c
    bounds = union_all(
        select(func.min(h.hour).label("first"), func.max(h.hour).label("last")).where(
            h.source_id == source_id
        ),
        select(func.min(p.first_hour), func.max(p.last_hour)).where(p.source_id == source_id),
    ).subquery()
    first, last = connection.execute(
        select(func.min(bounds.c.first), func.max(bounds.c.last))
    ).one()
    return None if first is None else (_minute(first), _minute(last + timedelta(hours=1)))


def _minute(instant: datetime) -> int:
    return to_minute(instant)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return _minute(datetime.combine(day, time(), zone))


def _differing(before: Any, after: Any) -> tuple[Any, Any]:
    """Return two values, of lists of entries by date those entries that the other has not."""
    if not isinstance(before, list | None) or not isinstance(after, list | None):
        return before, after
    was, becomes = before or [], after or []
    return [v for v in was if v not in becomes], [v for v in becomes if v not in was]


def _shown(value: Any) -> str:
    text = "none" if value is None or value == [] else _over_time(value) or str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _over_time(value: Any) -> str:
    """Return entries by date with their instants; empty: it is no list of such."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return ""
    if all("value" in entry for entry in value):
        return ", ".join(
            f"{v['value']} from {v['from']}" if "from" in v else f"{v['value']}" for v in value
        )
    if all("valid_from" in entry and "b" in entry for entry in value):
        return ", ".join(f"{v['a']} + {v['b']} x from {v['valid_from']}" for v in value)
    return ""
