"""The columns of ``/v1/electricity``: matched hours of a facility, added up by interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.api.http.columns import Column, Instants, Numbers, Words
from services.api.models.emission_table import STATES, rounded
from services.core.facility.assemble_electricity import LOCATION, MARKET
from services.core.store.answers.buckets import Buckets, Integers
from services.core.store.answers.electricity import MatchedElectricity
from services.core.store.answers.facility_queries import FacilityRow
from services.core.timeline.instants import HOUR_US, MINUTE_US, to_us

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


class Part(NamedTuple):
    """The rows of a facility: all intervals of the first subject, then of the next one."""

    columns: Mapping[str, Column]
    time_us: Integers
    #: what rows are of, and which of them each row is of
    subjects: Sequence[str]
    subject: Integers


class _Sums:
    """Add hours up by interval; an hour counts in the interval that it begins in."""

    def __init__(self, hour_us: NDArray[np.int64], buckets: Buckets) -> None:
        self._size = len(buckets)
        bucket = buckets.index_of(hour_us)
        self.inside = (bucket >= 0) & (hour_us < buckets.ends_us[-1])
        self.bucket = bucket[self.inside]

    def __call__(self, values: NDArray[np.generic]) -> Floats:
        return np.bincount(
            self.bucket, weights=values[self.inside].astype(np.float64), minlength=self._size
        ).astype(np.float64)


def use_columns(
    facility: FacilityRow, hours: MatchedElectricity, buckets: Buckets, now: datetime
) -> Part:
    """Return a row for each interval."""
    load, matched = hours.load, hours.matched
    sums = _Sums(load.hour_us, buckets)
    loads, rest, hourly_rest, free = map(
        sums, (load.kwh, matched.rest_kwh, matched.hourly_rest_kwh, matched.carbon_free_kwh)
    )
    score = sums(matched.carbon_free_kwh + matched.rest_kwh * np.nan_to_num(hours.grid_carbon_free))
    is_scored = sums((matched.rest_kwh > 0) & np.isnan(hours.grid_carbon_free)) == 0
    known_hours, final = sums(load.known), sums(load.final)
    unmatched = sums(load.known & (matched.hourly_rest_kwh > 0))
    lengths_ms = _lengths_ms(buckets, now) * max(1, load.sources)
    known, has_load = known_hours > 0, loads > 0

    def share(part: Floats, is_known: Booleans = has_load) -> Numbers:
        return Numbers(rounded(_ratio(part, loads)), is_known)

    columns: dict[str, Column] = {
        **_common(facility, buckets, 1),
        "zone": _same(hours.stated.zone, len(buckets)),
        **_policies(hours, sums, len(buckets)),
        "load_kwh": Numbers(loads, known),
        "contracted_kwh": Numbers(sums(matched.contracted_kwh.sum(axis=0))),
        "matched_kwh": Numbers(loads - rest, known),
        "unmatched_kwh": Numbers(rest, known),
        "matched_share": share(loads - rest),
        "hourly_share": share(loads - hourly_rest),
        "known_hours": Numbers(known_hours.astype(np.int64)),
        "unmatched_hours": Numbers(unmatched.astype(np.int64)),
        "carbon_free_share": share(free),
        "cfe_share": share(score, has_load & is_scored),
        "co2_location_kg": Numbers(sums(load.co2_kg), known),
        "co2_market_kg": Numbers(sums(matched.market_kg), known),
        "co2_uncontracted_kg": Numbers(sums(load.market_kg), known),
        "coverage": Numbers(_coverage(sums(load.known_ms), lengths_ms)),
        "state": Words(
            STATES, (final * HOUR_US >= buckets.ends_us - buckets.begins_us).astype(np.int64)
        ),
    }
    return _part(columns, buckets, [""])


def contract_columns(
    facility: FacilityRow, hours: MatchedElectricity, buckets: Buckets, now: datetime
) -> Part:
    """Return a row for each contract and interval."""
    sums = _Sums(hours.load.hour_us, buckets)
    contracts = hours.stated.contracts
    lengths_ms = _lengths_ms(buckets, now)
    nothing = np.zeros(hours.load.hour_us.size)
    known_ms = [hours.amounts_known_ms.get(c.channel or "", nothing) for c in contracts]
    of_contract = np.repeat(np.arange(len(contracts)), len(buckets))
    has_channel = np.array([c.channel is not None for c in contracts], dtype=np.bool_)
    columns: dict[str, Column] = {
        **_common(facility, buckets, len(contracts)),
        "contract": Words([c.id for c in contracts], of_contract),
        "contract_name": Words([c.name or c.id for c in contracts], of_contract),
        "technology": Words([c.technology for c in contracts], of_contract),
        "zone": Words([c.zone or hours.stated.zone for c in contracts], of_contract),
        "contracted_kwh": _add_up(sums, hours.matched.contracted_kwh),
        "used_kwh": _add_up(sums, hours.matched.used_kwh),
        "co2_kg": _add_up(sums, hours.matched.used_kg),
        "coverage": Numbers(
            _stacked([_coverage(sums(ms), lengths_ms) for ms in known_ms]),
            has_channel[of_contract],
        ),
    }
    return _part(columns, buckets, [contract.id for contract in contracts])


def storage_columns(
    facility: FacilityRow,
    hours: MatchedElectricity,
    buckets: Buckets,
    now: datetime,  # noqa: ARG001 - as the others
) -> Part:
    """Return a row for each storage and interval."""
    hour_us = hours.load.hour_us
    sums = _Sums(hour_us, buckets)
    # the last hour that an interval has; of the first ones that none has, the very first hour
    last = np.maximum(0, np.searchsorted(hour_us, buckets.ends_us) - 1)
    storages = hours.stated.storage
    uses = [hours.storages[storage.id] for storage in storages]
    of_storage = np.repeat(np.arange(len(storages)), len(buckets))
    at_meter = np.array([s.contract is None for s in storages], dtype=np.bool_)[of_storage]
    columns: dict[str, Column] = {
        **_common(facility, buckets, len(storages)),
        "storage": Words([storage.id for storage in storages], of_storage),
        "contract": Words([storage.contract for storage in storages], of_storage),
        "charged_kwh": _add_up(sums, [use.charged_kwh for use in uses]),
        "discharged_kwh": _add_up(sums, [use.discharged_kwh for use in uses]),
        "attributed_kwh": _add_up(sums, [use.returned.known_kwh for use in uses]),
        "stored_kwh": Numbers(_stacked([use.returned.stored_kwh[last] for use in uses])),
        "charged_location_kg": _add_up(sums, [use.taken_kg[LOCATION] for use in uses], at_meter),
        "charged_market_kg": _add_up(sums, [use.taken_kg[MARKET] for use in uses]),
        "discharged_location_kg": _add_up(
            sums, [use.returned.kg[LOCATION] for use in uses], at_meter
        ),
        "discharged_market_kg": _add_up(sums, [use.returned.kg[MARKET] for use in uses]),
    }
    return _part(columns, buckets, [storage.id for storage in storages])


def _part(columns: Mapping[str, Column], buckets: Buckets, subjects: Sequence[str]) -> Part:
    return Part(
        columns=columns,
        time_us=np.tile(buckets.begins_us, len(subjects)),
        subjects=subjects,
        subject=np.repeat(np.arange(len(subjects)), len(buckets)),
    )


def _common(facility: FacilityRow, buckets: Buckets, subjects: int) -> dict[str, Column]:
    return {
        "time": Instants(buckets.begins_us, np.tile(np.arange(len(buckets)), subjects)),
        "facility": _same(facility.slug, len(buckets) * subjects),
    }


def _same(word: str | None, rows: int) -> Words:
    return Words([word], np.zeros(rows, dtype=np.int64))


def _add_up(sums: _Sums, rows: Sequence[Floats] | Floats, known: Booleans | None = None) -> Numbers:
    """Return the sums of each row of hours, one after the other."""
    return Numbers(_stacked([sums(row) for row in rows]), known)


def _stacked(rows: Sequence[Floats]) -> Floats:
    return np.concatenate(rows) if rows else np.zeros(0)


def _policies(hours: MatchedElectricity, sums: _Sums, buckets: int) -> dict[str, Column]:
    """Return the policies that hold in each interval, in the order in which they begin."""
    policies = hours.calendar.policies
    policy = hours.calendar.policy_of(hours.load.hour_us)
    present = np.array([sums(policy == index) > 0 for index in range(len(policies))])
    several, index = np.unique(present, axis=1, return_inverse=True)
    combinations = [
        [p for p, is_one in zip(policies, column, strict=True) if is_one] for column in several.T
    ]
    published = [
        " ".join(str(p.published) for p in ps if p.published) or None for ps in combinations
    ]
    is_draft = np.array([any(p.is_draft for p in ps) for ps in combinations])
    index = index.reshape(buckets)
    return {
        "match": Words([" ".join(p.name for p in ps) for ps in combinations], index),
        "match_published": Words(published, index),
        "match_draft": Numbers(is_draft[index]),
    }


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _coverage(known_ms: Floats, length_ms: Floats) -> Floats:
    return rounded(np.minimum(1.0, known_ms / length_ms))


def _lengths_ms(buckets: Buckets, now: datetime) -> Floats:
    """Return the time of each interval that can be known."""
    minute_ends_us = (to_us(now) // MINUTE_US + 1) * MINUTE_US
    until_us = np.minimum(buckets.ends_us, minute_ends_us)
    return np.maximum(1.0, (until_us - buckets.begins_us) / 1000)
