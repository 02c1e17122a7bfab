"""A facility as the aggregator computes it: its sources with their methods, its channels' rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from services.core.accounting.methods import Method
from services.core.accounting.pollutants.means import PollutantRule
from services.core.accounting.series import ChannelRule
from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.qa import CalibrationRule
from services.core.facility import assemble, assemble_closing, assemble_pollutants, model
from services.core.store.factor_series.methods import counts_by_series
from services.core.store.registry import factors
from services.core.store.registry.plan_arrays import PlanArrays
from services.core.store.registry.retirements import Retirement
from services.core.store.registry.watch_plan import WatchPlan, watch_plan

_SOURCE: TypeAdapter[model.StoredSource] = TypeAdapter(model.StoredSource)

# Of one that is being purged nothing is computed any more.
_FACILITIES = """
SELECT f.id, f.slug, f.timezone, r.retired_at, r.retired_by, r.reason
FROM facility f
LEFT JOIN facility_retirement r ON r.facility_id = f.id AND r.returned_at IS NULL
WHERE NOT EXISTS (
    SELECT FROM facility_purge p WHERE p.facility = f.slug AND p.finished_at IS NULL)
"""

# What arrived before a facility was retired counts, and its hours are closed by their rules: the
# sources that were retired with it are computed as if they were in force.
_COMPUTED = (
    "facility_id = %(facility)s AND (active OR coalesce(retired_at = %(retired_at)s, false))"
)

_SOURCES = f"SELECT id, slug, spec FROM source WHERE {_COMPUTED}"  # noqa: S608 - as above

_INPUTS = f"""
SELECT i.source_id, i.role, c.id, c.spec, d.slug || '.' || c.slug AS name
FROM source_input i JOIN channel c ON c.id = i.channel_id JOIN device d ON d.id = c.device_id
WHERE i.source_id IN (SELECT id FROM source WHERE {_COMPUTED})
"""  # noqa: S608 - as above

_RETIRED = f"""
SELECT id, (spec ->> 'lateness')::float8 AS lateness_s FROM source
WHERE facility_id = %(facility)s AND NOT ({_COMPUTED})
"""  # noqa: S608 - as above


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePlan:
    """One source: how it is computed, and from which channels."""

    id: int
    slug: str
    method: Method = field(repr=False)
    #: channel id by the role it plays in the method
    inputs: Mapping[str, int]
    lateness_s: float
    #: None: hours close as the sum of their minutes
    closing: ClosingRule | None = field(repr=False)
    #: means that are formed beside its CO2
    pollutants: tuple[PollutantRule, ...] = field(default=(), repr=False)
    #: the unit operates while its input `operating` is above it; None: it always does
    operates_above: float | None = None


@dataclass(frozen=True, kw_only=True)
class FacilityPlan:
    """One facility at one revision of the registry."""

    id: int
    slug: str
    zone: ZoneInfo
    sources: Mapping[int, SourcePlan]
    #: rules of the channels that sources use
    channels: Mapping[int, ChannelRule]
    #: ids of the sources that a channel feeds
    fed_by: Mapping[int, tuple[int, ...]]
    #: of channels whose calibrations are judged: by what
    calibrations: Mapping[int, CalibrationRule]
    #: ``device.channel`` of the channels that sources use
    channel_names: Mapping[int, str] = field(repr=False)
    #: lateness in seconds of each source that the file no longer names: its totals stay
    retired: Mapping[int, float]
    #: the limits that are watched
    watch: WatchPlan = field(repr=False)
    #: None: the facility is in force
    retirement: Retirement | None = None
    #: ids of sources that are left alone: not among ``sources``, their changes wait
    set_aside: frozenset[int] = frozenset()
    #: ids of sources with pollutants, those that are set aside too
    with_pollutants: frozenset[int] = frozenset()
    #: ids of sources that count by factors by the hour
    with_series: frozenset[int] = frozenset()
    #: when values by the hour were known; None: now
    as_of: datetime | None = None

    @cached_property
    def arrays(self) -> PlanArrays:
        """Return its sources and channels as arrays."""
        return PlanArrays.from_plan(self.sources, self.channels, self.fed_by)

    def reads_log(self, source_id: int) -> bool:
        """Whether a source of the plan reads a log of events, which is known without readings."""
        channels = self.sources[source_id].inputs.values()
        return any(self.channels[channel].since_us is not None for channel in channels)

    def without(self, source_ids: Collection[int]) -> FacilityPlan:
        """Return the same with these sources left alone."""
        remaining = {
            source_id: source
            for source_id, source in self.sources.items()
            if source_id not in source_ids
        }
        return replace(self, sources=remaining, set_aside=frozenset(source_ids))


def facility_plans(connection: psycopg.Connection[Any]) -> dict[int, FacilityPlan]:
    """Read every facility's plan, by facility id."""
    return {f["id"]: _plan(connection, f) for f in _facilities(connection)}


def usable_plans(
    connection: psycopg.Connection[Any],
) -> tuple[dict[int, FacilityPlan], dict[int, Exception]]:
    """Read the plans that can be made, by facility id, and why the others cannot.

    What one facility's rows hold must not stop the totals of all others.

    :raises psycopg.Error: the connection is gone.
    """
    plans: dict[int, FacilityPlan] = {}
    failures: dict[int, Exception] = {}
    for facility in _facilities(connection):
        try:
            plans[facility["id"]] = _plan(connection, facility)
        except Exception as error:
            if connection.closed:
                raise
            failures[facility["id"]] = error
    return plans, failures


def _facilities(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_FACILITIES).fetchall()


def _plan(connection: psycopg.Connection[Any], facility: Mapping[str, Any]) -> FacilityPlan:
    parameters = {"facility": facility["id"], "retired_at": facility["retired_at"]}
    with connection.cursor(row_factory=dict_row) as cursor:
        source_rows = cursor.execute(_SOURCES, parameters).fetchall()
        input_rows = cursor.execute(_INPUTS, parameters).fetchall()
        retired = cursor.execute(_RETIRED, parameters).fetchall()
    specs = {row["id"]: _SOURCE.validate_python(row["spec"]) for row in source_rows}
    channels = {row["id"]: model.Channel.model_validate(row["spec"]) for row in input_rows}
    used = {
        name
        for spec in specs.values()
        if isinstance(spec, model.ActivitySource)
        for name in spec.factors
    }
    versions = factors.in_force(connection, facility["id"], sorted(used))
    if names := factors.fallbacks(versions):
        versions |= factors.in_force(connection, facility["id"], sorted(names))
    sources: dict[int, SourcePlan] = {}
    roles: dict[int, dict[str, int]] = {}
    for row in input_rows:
        roles.setdefault(row["source_id"], {})[row["role"]] = row["id"]
    # what is equal is one object, so that it can be computed together
    methods: dict[Method, Method] = {}
    rules: dict[ChannelRule, ChannelRule] = {}
    fed_by: dict[int, tuple[int, ...]] = {}
    for row in source_rows:
        spec = specs[row["id"]]
        inputs = roles.get(row["id"], {})
        activity = spec if isinstance(spec, model.ActivitySource) else None
        inputs_by_role = {role: channels[channel_id] for role, channel_id in inputs.items()}
        method = assemble.method(
            spec,
            inputs_by_role,
            versions.get(activity.factor, []) if activity else [],
            facility["timezone"],
            versions.get(activity.market_factor or "", []) if activity else [],
            lambda name: versions.get(name, ()),
        )
        sources[row["id"]] = SourcePlan(
            id=row["id"],
            slug=row["slug"],
            method=methods.setdefault(method, method) if activity else method,
            inputs=inputs,
            lateness_s=spec.lateness,
            closing=assemble_closing.closing_rule(spec, inputs_by_role),
            pollutants=assemble_pollutants.pollutant_rules(spec, inputs_by_role),
            operates_above=spec.operating.above
            if isinstance(spec, model.StackSource) and spec.operating is not None
            else None,
        )
        # one channel may tell both the load and whether the unit operates
        for channel_id in dict.fromkeys(inputs.values()):
            fed_by[channel_id] = (*fed_by.get(channel_id, ()), row["id"])
    return FacilityPlan(
        id=facility["id"],
        slug=facility["slug"],
        zone=ZoneInfo(facility["timezone"]),
        sources=sources,
        channels={
            channel_id: rules.setdefault(rule, rule)
            for channel_id in fed_by
            for rule in (assemble.channel_rule(channels[channel_id]),)
        },
        fed_by=fed_by,
        with_pollutants=frozenset(source.id for source in sources.values() if source.pollutants),
        with_series=frozenset(
            source.id for source in sources.values() if counts_by_series(source.method)
        ),
        calibrations={
            channel_id: rule
            for channel_id in fed_by
            if (rule := assemble_closing.calibration_rule(channels[channel_id])) is not None
        },
        channel_names={row["id"]: row["name"] for row in input_rows},
        retired={row["id"]: row["lateness_s"] or 0.0 for row in retired},
        watch=watch_plan(connection, facility["id"]),
        retirement=None
        if facility["retired_at"] is None
        else Retirement(
            instant=facility["retired_at"], by=facility["retired_by"], reason=facility["reason"]
        ),
    )
