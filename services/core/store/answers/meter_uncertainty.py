"""What each meter of a source adds to the uncertainty of its totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.core.accounting.derived.sensitivity import sensitivities
from services.core.accounting.uncertainty import Component
from services.core.facility import assemble, model
from services.core.facility.derived_channels import computed
from services.core.facility.in_force import in_force, in_force_at
from services.core.store.packing import opened
from services.core.store.readings import history
from services.core.timeline.instants import to_us

#: Events are so rare that a day says nothing of how much they come to.
_EVENTS_OVER: Final = timedelta(days=31)
#: The oldest reading that matters: a day before the newest of a register.
_READ_OVER: Final = timedelta(days=33)
_HOUR_S: Final = 3600.0

# What a channel came to lately: the last day of a register and of intervals, a month of events.
_LATELY = text(
    """
SELECT c.id, c.spec, newest.ts AS newest_ts, newest.value AS newest, first.ts AS first_ts,
       first.value AS first,
       CASE WHEN c.kind IN ('interval', 'event') THEN (
           SELECT CASE c.kind WHEN 'event' THEN sum(r.value) ELSE avg(r.value) END FROM reading r
           WHERE r.channel_id = c.id AND r.value IS NOT NULL AND r.quality <= 1
             AND r.ts > now() - CASE c.kind WHEN 'event' THEN CAST(:events_over AS interval)
                                            ELSE interval '1 day' END) END AS amount
FROM channel c
LEFT JOIN LATERAL (
    SELECT ts, value FROM reading r
    WHERE r.channel_id = c.id AND r.value IS NOT NULL AND r.quality <= 1
      AND r.ts > now() - interval '31 days' ORDER BY ts DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (
    SELECT ts, value FROM reading r
    WHERE c.kind = 'counter' AND r.channel_id = c.id AND r.value IS NOT NULL AND r.quality <= 1
      AND r.ts >= newest.ts - interval '1 day' ORDER BY ts LIMIT 1) first ON true
WHERE c.id = ANY(:channels)
"""
)


async def rates(connection: AsyncConnection, channel_ids: Sequence[int]) -> dict[int, float]:
    """Read what channels come to, in their units: a gauge's value, an amount by the hour.

    A channel that is not among them is not known.
    """
    if not channel_ids:
        return {}
    channels = sorted(channel_ids)
    keys = {"channels": channels, "events_over": _EVENTS_OVER}
    rows = (await connection.execute(_LATELY, keys)).mappings().all()
    now = await history.packed_lately(connection, _READ_OVER)
    if now is not None:
        async with opened.snapshot_async(connection):
            await connection.run_sync(
                lambda same: history.open_span(same, channels, now - _READ_OVER, now)
            )
            rows = (await connection.execute(_LATELY, keys)).mappings().all()
    known = {row["id"]: _rate(dict(row)) for row in rows}
    return {channel_id: rate for channel_id, rate in known.items() if rate is not None}


def _rate(row: Mapping[str, Any]) -> float | None:
    spec = row["spec"]
    if spec["kind"] == "event":
        amount = float(row["amount"] or 0.0) * _scale(spec, row["newest_ts"])
        return amount / (_EVENTS_OVER.total_seconds() / _HOUR_S)
    if row["newest"] is None:
        return None
    if spec["kind"] == "gauge":
        return _in_unit(spec, row["newest_ts"], row["newest"])
    scale = _scale(spec, row["newest_ts"])
    if spec["kind"] == "interval":
        return None if row["amount"] is None else row["amount"] * scale * _HOUR_S / spec["length"]
    seconds = (row["newest_ts"] - row["first_ts"]).total_seconds()
    rise = row["newest"] - row["first"]
    # a register that was replaced, or rolled over, says nothing in this way
    return None if seconds <= 0 or rise < 0 else float(rise * scale * _HOUR_S / seconds)


def _in_unit(spec: Mapping[str, Any], ts: datetime, sent: float) -> float:
    conversion = in_force_at(in_force(spec["unit"], spec), to_us(ts)).as_sent
    return float(sent) if conversion is None else conversion(float(sent))


def _scale(spec: Mapping[str, Any], ts: datetime | None) -> float:
    if ts is None:
        return 1.0
    conversion = in_force_at(in_force(spec["unit"], spec), to_us(ts)).as_sent
    return 1.0 if conversion is None else conversion.scale


def followed(spec: model.StoredSource, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the channels whose rates a source's band follows from."""
    if isinstance(spec, model.StackSource) or spec.derived is None:
        return []
    # of what states nothing the band is unknown, whatever it comes to
    if spec.derived.uncertainty is not None or any(row["percent"] is None for row in rows):
        return []
    return [row["channel_id"] for row in rows]


def components(
    spec: model.StoredSource, rows: Sequence[Mapping[str, Any]], rates: Mapping[int, float]
) -> tuple[Component, ...]:
    """Return each meter's percentage times the rate's sensitivity to it; empty: one says none.

    What a derived channel states of itself stands for what its channels state. ``rates``: what the
    channels that are :func:`followed` come to.
    """
    if isinstance(spec, model.StackSource):
        return _of_stack(spec, rows)
    if spec.derived is not None:
        return _of_derived(spec.derived, rows, rates)
    if any(row["percent"] is None for row in rows):
        return ()
    return tuple(_component(row, 1.0) for row in rows)


def _of_derived(
    derived: model.Derived, rows: Sequence[Mapping[str, Any]], rates: Mapping[int, float]
) -> tuple[Component, ...]:
    # what is measured of a fuel is a factor of a product
    of_fuel = [row for row in rows if row["role"] not in derived.inputs]
    if derived.uncertainty is not None:
        rows = of_fuel
    if any(row["percent"] is None for row in rows):
        return ()
    if derived.uncertainty is not None:
        stated = Component(id=f"channel {derived.channel}", percent=derived.uncertainty)
        return (stated, *(_component(row, 1.0) for row in of_fuel))
    channels = {row["role"]: model.Channel.model_validate(row["channel"]) for row in rows}
    weights = sensitivities(
        computed(derived, channels),
        {row["role"]: rates[row["channel_id"]] for row in rows if row["channel_id"] in rates},
    )
    if weights is None:
        return ()
    return tuple(_component(row, weights.get(row["role"], 1.0)) for row in rows)


def _of_stack(spec: model.StackSource, rows: Sequence[Mapping[str, Any]]) -> tuple[Component, ...]:
    stated = {
        role: part for role, part in spec.derived_inputs.items() if part.uncertainty is not None
    }
    # a channel of a formula enters by what is not stated of the formula itself
    by_formula = {
        name
        for role, part in spec.derived_inputs.items()
        if role not in stated
        for name in part.inputs
    }
    entering = [row for row in rows if row["role"] in {*spec.inputs, *by_formula}]
    if any(row["percent"] is None for row in entering):
        return ()
    method = assemble.stack_method(
        spec, {row["role"]: model.Channel.model_validate(row["channel"]) for row in rows}
    )
    weights = method.sensitivities(
        {
            row["role"]: _in_unit(row["channel"], row["ts"], row["value"])
            for row in rows
            if row["value"] is not None
        }
    )
    return (
        *(_component(row, _known_or_one(weights.get(row["role"]))) for row in entering),
        *(
            Component(
                id=f"channel {part.channel}",
                percent=(part.uncertainty or 0.0) * _known_or_one(weights.get(role)),
            )
            for role, part in stated.items()
        ),
    )


def _component(row: Mapping[str, Any], sensitivity: float) -> Component:
    return Component(id=f"channel {row['channel_id']}", percent=row["percent"] * sensitivity)


def _known_or_one(sensitivity: float | None) -> float:
    return 1.0 if sensitivity is None or not np.isfinite(sensitivity) else sensitivity
