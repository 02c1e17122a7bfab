"""A facility's thresholds as the aggregator evaluates them, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row
from pydantic import ValidationError

from services.core.accounting.alerting.measures.emissions import EmissionMeasure
from services.core.accounting.alerting.measures.measure import Measure
from services.core.accounting.alerting.rate_hold import RateHold
from services.core.accounting.alerting.verdicts import Limits
from services.core.accounting.derived.minutes import DerivedInput
from services.core.accounting.intensity.allocation import Allocation
from services.core.accounting.intensity.ratio import unit_ratio
from services.core.accounting.pollutants.limits import Limit
from services.core.accounting.series import ChannelRule
from services.core.facility import assemble, assemble_pollutants
from services.core.facility import derived_channels as facility_derived
from services.core.facility.model import Channel, Derived, Notify
from services.core.facility.pollutants import Pollutant
from services.core.facility.recipients import targets_of
from services.core.facility.thresholds import Threshold
from services.core.store.registry import derived_channels, watched_names
from services.core.store.registry.products import products as stated_products
from services.core.store.registry.replaced_sources import is_replaced
from services.core.store.registry.watched_names import WatchedNames

#: A source without data is unknown after this time or after its lateness, whichever is longer, plus
#: the length of its longest interval.
_UNKNOWN_AFTER_S = 900.0

# What a retired source emitted still counts, unless an active one counts the same readings.
_SOURCES: LiteralString = f"""
SELECT s.id, s.slug, s.scope, s.active, s.spec ->> 'check' AS check,
       s.spec ? 'removal' AS is_removal,
       greatest((s.spec ->> 'lateness')::float8, %(unknown_after_s)s) + coalesce(c.length_s, 0)
           AS unknown_after_s, c.length_s, c.has_gauge, c.counters
FROM source s
CROSS JOIN LATERAL (
    SELECT max((c.spec ->> 'length')::float8) AS length_s,
           coalesce(bool_or(c.kind = 'gauge'), false) AS has_gauge,
           coalesce(array_agg(c.id) FILTER (WHERE c.kind = 'counter'), ARRAY[]::int4[]) AS counters
    FROM source_input i JOIN channel c ON c.id = i.channel_id WHERE i.source_id = s.id) c
WHERE s.facility_id = %(facility)s AND s.scope > 0 AND NOT {is_replaced()}
ORDER BY s.id
"""  # noqa: S608 - constants

_THRESHOLDS = f"""
SELECT t.id, t.slug, t.version, t.spec, t.source_id, t.scope, t.channel_id, t.device_id,
       minute_of(t.in_force_from) AS begins,
       {watched_names.COLUMNS}
FROM threshold t
{watched_names.joins("t.facility_id", "t.spec")}
WHERE t.facility_id = %(facility)s AND t.active
  AND EXISTS (SELECT FROM facility f WHERE f.id = t.facility_id AND f.retired_at IS NULL)
ORDER BY t.id
"""  # noqa: S608 - joins of this package

_FACILITY: LiteralString = f"""
SELECT timezone, coalesce(document -> 'notify', '[]') AS notify, {derived_channels.COLUMN}
FROM facility WHERE id = %(facility)s
"""  # noqa: S608 - columns of this package

_CHANNELS = """
SELECT c.id, c.spec, d.slug || '.' || c.slug AS name
FROM channel c JOIN device d ON d.id = c.device_id
WHERE c.id IN (SELECT channel_id FROM threshold WHERE facility_id = %(facility)s AND active)
   OR d.facility_id = %(facility)s AND d.slug || '.' || c.slug = ANY(%(names)s)
"""

_POLLUTANTS = """
SELECT id, slug, spec -> 'pollutants' AS pollutants FROM source
WHERE facility_id = %(facility)s AND active AND spec ? 'pollutants'
"""

_AMOUNTS = """
SELECT id, slug, activity_unit FROM source WHERE facility_id = %(facility)s AND active
"""

_DEVICES = """
SELECT d.id, array_agg(c.id) AS channels FROM device d JOIN channel c ON c.device_id = d.id
WHERE d.id IN (SELECT device_id FROM threshold WHERE facility_id = %(facility)s AND active)
GROUP BY d.id
"""

_MAINTENANCE = """
SELECT id, slug, from_ts, to_ts, sources, thresholds FROM maintenance
WHERE facility_id = %(facility)s AND active AND to_ts > now() - interval '40 days'
ORDER BY from_ts, id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedDerived:
    """A derived channel, and the ids of the channels that it is of, by their names."""

    derived: DerivedInput
    channels: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedPollutant:
    """A pollutant of a source, the minutes that its means are of, and its limits."""

    source_id: int
    pollutant: str
    minutes: int
    limits: tuple[Limit, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedProduct:
    """A product: the sources that it has a share of, and those that count what is made."""

    shares: tuple[tuple[int, Allocation], ...]
    #: each with how many of the product's units one of its units is
    counted: tuple[tuple[int, float], ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """Return all of them."""
        return tuple(source for source, _ in (*self.shares, *self.counted))


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One threshold in force."""

    id: int
    version: int
    spec: Threshold = field(repr=False)
    #: what it compares with its limit
    measure: Measure
    #: whose emissions it watches; empty where it watches something else
    sources: tuple[int, ...]
    channel_id: int | None
    device_id: int | None
    names: WatchedNames = field(default=WatchedNames(), repr=False)
    #: what it watches in place of a channel that is sent
    derived: WatchedDerived | None = field(default=None, repr=False)
    #: whose limits it watches; None: it watches something else, or one that is there no more
    pollutant: WatchedPollutant | None = None
    #: whose emissions by unit it watches; None: it watches something else, or one that is there no
    #: more
    product: WatchedProduct | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MaintenanceWindow:
    """A maintenance, by ids of the facility file; ``until`` is exclusive."""

    id: int
    slug: str
    since: datetime
    until: datetime
    sources: frozenset[str] | None
    thresholds: frozenset[str] | None

    def covers(self, threshold: Threshold, instant: datetime) -> bool:
        """Return whether messages about this instant are muted for a threshold."""
        if not self.since <= instant < self.until:
            return False
        if self.sources is None and self.thresholds is None:
            return True
        return threshold.id in (self.thresholds or ()) or threshold.source in (self.sources or ())


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchPlan:
    """Everything about a facility's thresholds at one revision of the registry."""

    thresholds: tuple[Watched, ...]
    limits: Limits = field(repr=False)
    #: minutes that it must last
    lasts: NDArray[np.int64] = field(repr=False)
    #: first minute evaluated
    begins: NDArray[np.int64] = field(repr=False)
    #: minutes after a changed one in which its value may have changed with it
    reaches: NDArray[np.int64] = field(repr=False)
    #: by source that counts or is watched itself: minutes after which it is unknown; None: retired
    unknown_after: Mapping[int, int | None] = field(repr=False)
    #: by source: for how long its newest rate is that of now
    rates_hold: Mapping[int, RateHold] = field(repr=False)
    #: of the gauges that are watched
    channels: Mapping[int, ChannelRule] = field(repr=False)
    #: channels of the devices that are watched
    devices: Mapping[int, tuple[int, ...]] = field(repr=False)
    targets: tuple[str, ...]
    maintenance: tuple[MaintenanceWindow, ...]
    zone: ZoneInfo
    #: pairs of a threshold's index and the id of a source, or channel, that it depends on
    of_sources: NDArray[np.int64] = field(repr=False)
    of_channels: NDArray[np.int64] = field(repr=False)
    #: pairs of a threshold's index and the id of the source whose pollutant it watches
    of_pollutants: NDArray[np.int64] = field(repr=False)

    def muted_by(self, threshold: Threshold, instant: datetime) -> MaintenanceWindow | None:
        """Return the maintenance that mutes a threshold at an instant, None if none does."""
        return next(
            (window for window in self.maintenance if window.covers(threshold, instant)), None
        )


def watch_plan(connection: psycopg.Connection[Any], facility_id: int) -> WatchPlan:
    """Read the thresholds of a facility, and what evaluating and announcing them needs."""
    with connection.cursor(row_factory=dict_row) as cursor:

        def rows(sql: str, names: Iterable[str] = ()) -> list[dict[str, Any]]:
            parameters = {
                "facility": facility_id,
                "unknown_after_s": _UNKNOWN_AFTER_S,
                "names": list(names),
            }
            return cursor.execute(sql, parameters).fetchall()

        row = cursor.execute(_FACILITY, {"facility": facility_id}).fetchone()
        assert row is not None  # noqa: S101 - whoever asks has its id from the table
        sources, thresholds = rows(_SOURCES), rows(_THRESHOLDS)
        named = {threshold["spec"].get("channel") for threshold in thresholds}
        derived = {
            name: part for name, part in derived_channels.of_row(row).items() if name in named
        }
        channels = rows(_CHANNELS, {name for part in derived.values() for name in part.inputs})
        devices, maintenance = rows(_DEVICES), rows(_MAINTENANCE)
        watches = any(threshold["spec"].get("pollutant") for threshold in thresholds)
        limited = rows(_POLLUTANTS) if watches else []
        watches = any(threshold["spec"].get("product") for threshold in thresholds)
        counted = rows(_AMOUNTS) if watches else []
    products = dict(_products(connection, facility_id, counted))
    computed = dict(_computed(derived, channels))
    pollutants = dict(_pollutants(limited))
    watched = [_watched(row, sources, computed, pollutants, products) for row in thresholds]
    unknown_after = {
        row["id"]: -int(-row["unknown_after_s"] // 60) if row["active"] else None for row in sources
    }
    longest = max((minutes for minutes in unknown_after.values() if minutes is not None), default=0)
    return WatchPlan(
        thresholds=tuple(watched),
        limits=_limits([threshold.spec for threshold in watched]),
        lasts=np.array([-(-threshold.spec.for_ // 60) for threshold in watched], dtype=np.int64),
        begins=np.array([row["begins"] for row in thresholds], dtype=np.int64),
        reaches=np.array(
            [
                threshold.measure.reach_minutes(threshold.spec.window, longest)
                for threshold in watched
            ],
            dtype=np.int64,
        ),
        unknown_after=unknown_after,
        rates_hold={
            row["id"]: RateHold(
                has_gauge=row["has_gauge"],
                interval_minutes=-int(-(row["length_s"] or 0) // 60),
                counters=tuple(row["counters"]),
            )
            for row in sources
        },
        channels={
            row["id"]: assemble.channel_rule(Channel.model_validate(row["spec"]))
            for row in channels
        },
        devices={row["id"]: tuple(row["channels"]) for row in devices},
        targets=tuple(targets_of(_entries(row["notify"]))),
        maintenance=tuple(
            MaintenanceWindow(
                id=row["id"],
                slug=row["slug"],
                since=row["from_ts"],
                until=row["to_ts"],
                sources=None if row["sources"] is None else frozenset(row["sources"]),
                thresholds=None if row["thresholds"] is None else frozenset(row["thresholds"]),
            )
            for row in maintenance
        ),
        zone=ZoneInfo(row["timezone"]),
        of_sources=_pairs(
            (i, source)
            for i, threshold in enumerate(watched)
            for source in (
                *threshold.sources,
                *(() if threshold.product is None else threshold.product.sources),
            )
        ),
        of_channels=_pairs(
            (i, channel)
            for i, threshold in enumerate(watched)
            for channel in _channels(threshold, {row["id"]: row["channels"] for row in devices})
        ),
        of_pollutants=_pairs(
            (i, threshold.pollutant.source_id)
            for i, threshold in enumerate(watched)
            if threshold.pollutant is not None
        ),
    )


def _computed(
    derived: Mapping[str, Derived], rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, WatchedDerived]]:
    ids = {row["name"]: row["id"] for row in rows}
    specs = {row["name"]: Channel.model_validate(row["spec"]) for row in rows}
    for name, part in derived.items():
        yield (
            name,
            WatchedDerived(
                derived=facility_derived.computed(part, specs),
                channels={channel: ids[channel] for channel in part.inputs},
            ),
        )


def _pollutants(
    rows: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, str], WatchedPollutant]]:
    for row in rows:
        for stated in row["pollutants"]:
            pollutant = Pollutant.model_validate(stated)
            yield (
                (row["slug"], pollutant.id),
                WatchedPollutant(
                    source_id=row["id"],
                    pollutant=pollutant.id,
                    minutes=assemble_pollutants.averaging_minutes(pollutant),
                    limits=assemble_pollutants.limits(pollutant),
                ),
            )


def _products(
    connection: psycopg.Connection[Any], facility_id: int, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, WatchedProduct]]:
    """Return products by name; ``rows``: the sources of the file, none where none is watched."""
    by_slug = {row["slug"]: row for row in rows}
    if not by_slug:
        return
    for product in stated_products(connection, [facility_id], None).get(facility_id, ()):
        yield (
            product.id,
            WatchedProduct(
                shares=tuple(
                    (by_slug[part.source]["id"], part)
                    for part in product.allocations
                    if part.source in by_slug
                ),
                counted=tuple(
                    (
                        by_slug[channel]["id"],
                        float(unit_ratio(by_slug[channel]["activity_unit"], product.unit)),
                    )
                    for channel in product.production
                    if channel in by_slug
                ),
            ),
        )


def _entries(specs: Iterable[Any]) -> Iterator[Notify]:
    for spec in specs:
        # one that an older version let pass; the notifier says so
        with suppress(ValidationError):
            yield Notify.model_validate(spec)


def _channels(watched: Watched, devices: Mapping[int, Sequence[int]]) -> Sequence[int]:
    if watched.derived is not None:
        return tuple(watched.derived.channels.values())
    if watched.channel_id is not None:
        return (watched.channel_id,)
    return () if watched.device_id is None else devices.get(watched.device_id, ())


def _pairs(pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(list(pairs), dtype=np.int64).reshape(-1, 2)


def _watched(
    row: Mapping[str, Any],
    sources: Sequence[Mapping[str, Any]],
    derived: Mapping[str, WatchedDerived],
    pollutants: Mapping[tuple[str, str], WatchedPollutant],
    products: Mapping[str, WatchedProduct],
) -> Watched:
    spec = Threshold.model_validate(row["spec"])
    return Watched(
        id=row["id"],
        version=row["version"],
        spec=spec,
        measure=spec.definition,
        sources=_sources(row, spec, sources),
        channel_id=row["channel_id"],
        device_id=row["device_id"],
        names=WatchedNames.of_row(row),
        derived=derived.get(spec.channel or ""),
        pollutant=pollutants.get((spec.source or "", spec.pollutant or "")),
        product=products.get(spec.product or ""),
    )


def _sources(
    row: Mapping[str, Any], spec: Threshold, sources: Sequence[Mapping[str, Any]]
) -> tuple[int, ...]:
    if not isinstance(spec.definition, EmissionMeasure):
        return ()
    if row["source_id"] is not None:
        return (row["source_id"],)
    checks = {source["check"] for source in sources if source["active"]}
    return tuple(
        source["id"]
        for source in sources
        if source["slug"] not in checks
        and not source["is_removal"]
        and (spec.scope is None or source["scope"] == spec.scope)
    )


def _limits(specs: Sequence[Threshold]) -> Limits:
    return Limits(
        limit=np.array([spec.limit for spec in specs], dtype=np.float64),
        clear=np.array([spec.clear for spec in specs], dtype=np.float64),
        above=np.array([spec.above is not None for spec in specs], dtype=bool),
        additive=np.array([spec.definition.is_additive for spec in specs], dtype=bool),
    )
