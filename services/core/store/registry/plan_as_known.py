"""A source as it was computed at an instant: configuration and factor versions of then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from services.core.accounting.series import ChannelRule
from services.core.facility import assemble, assemble_closing, model
from services.core.store.factor_series.methods import counts_by_series
from services.core.store.registry import factors
from services.core.store.registry.channel_as_known import channel_as_known
from services.core.store.registry.plan import SourcePlan
from services.core.store.registry.plan_arrays import PlanArrays

_SOURCE: TypeAdapter[model.StoredSource] = TypeAdapter(model.StoredSource)

# The first configuration speaks for the time before it.
_SPEC = """
SELECT spec FROM source_revision WHERE source_id = %(source)s
ORDER BY (known_at <= %(as_of)s) DESC,
         CASE WHEN known_at <= %(as_of)s THEN known_at END DESC, known_at
LIMIT 1
"""

_CHANGED = """
SELECT known_at FROM source_revision WHERE source_id = %(source)s
UNION
SELECT k.known_at FROM channel_revision k
JOIN channel c ON c.id = k.channel_id JOIN device d ON d.id = c.device_id
WHERE d.facility_id = %(facility)s AND EXISTS (
    SELECT FROM source_revision r WHERE r.source_id = %(source)s
       AND strpos(r.spec::text, '"' || d.slug || '.' || c.slug || '"') > 0)
UNION
SELECT t FROM factor f CROSS JOIN LATERAL (VALUES (f.known_from), (f.known_to)) AS x(t)
WHERE t IS NOT NULL AND (f.facility_id = %(facility)s OR f.facility_id IS NULL)
  AND f.slug IN (SELECT v FROM source_revision r
                 CROSS JOIN LATERAL (VALUES (r.spec ->> 'factor'),
                                            (r.spec ->> 'market_factor')) AS y(v)
                 WHERE r.source_id = %(source)s)
ORDER BY 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceAsKnown:
    """A source, and the rules of its channels."""

    source: SourcePlan
    channels: Mapping[int, ChannelRule] = field(repr=False)
    as_of: datetime

    @property
    def sources(self) -> Mapping[int, SourcePlan]:
        """Return it by its id, as a facility's plan has its sources."""
        return {self.source.id: self.source}

    @property
    def with_series(self) -> frozenset[int]:
        """Return its id if it counts by factors by the hour."""
        return frozenset({self.source.id} if counts_by_series(self.source.method) else ())

    @property
    def arrays(self) -> PlanArrays:
        """Return it and its channels as arrays."""
        return PlanArrays.from_plan(
            self.sources, self.channels, dict.fromkeys(self.channels, (self.source.id,))
        )


def changes(
    connection: psycopg.Connection[Any], facility_id: int, source_id: int
) -> list[datetime]:
    """Read instants, ascending, at which anything that computes the source may have changed."""
    rows = connection.execute(_CHANGED, {"source": source_id, "facility": facility_id})
    return [row[0] for row in rows]


def source_as_known(
    connection: psycopg.Connection[Any],
    *,
    facility_id: int,
    timezone: str,
    source_id: int,
    slug: str,
    as_of: datetime,
) -> SourceAsKnown:
    """Read the source as it was configured at ``as_of``, with the factor versions known then.

    :raises ConfigurationError: nothing could be computed with what was known then.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SPEC, {"source": source_id, "as_of": as_of}).fetchone()
        if row is None:
            raise LookupError(f"source {slug} has no configuration")
        spec = _SOURCE.validate_python(row["spec"])
        inputs: dict[str, int] = {}
        channels: dict[str, model.Channel] = {}
        for role, reference in spec.channels.items():
            known = channel_as_known(connection, facility_id, reference, as_of)
            if known is None:
                raise LookupError(f"source {slug} names the unknown channel {reference}")
            inputs[role], channels[role] = known
    names = spec.factors if isinstance(spec, model.ActivitySource) else ()
    versions = factors.in_force(connection, facility_id, names, as_of)
    if behind := factors.fallbacks(versions):
        versions |= factors.in_force(connection, facility_id, sorted(behind), as_of)
    activity = spec if isinstance(spec, model.ActivitySource) else None
    market = activity.market_factor if activity else None
    return SourceAsKnown(
        source=SourcePlan(
            id=source_id,
            slug=slug,
            method=assemble.method(
                spec,
                channels,
                versions.get(activity.factor, []) if activity else [],
                timezone,
                versions.get(market, []) if market else [],
                lambda name: versions.get(name, ()),
            ),
            inputs=inputs,
            lateness_s=spec.lateness,
            closing=assemble_closing.closing_rule(spec, channels),
        ),
        channels={
            channel_id: assemble.channel_rule(channels[role]) for role, channel_id in inputs.items()
        },
        as_of=as_of,
    )
