"""The rows of ``/v1/electricity``: matched hours, added up by interval."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from services.api.http.shapes import Row
from services.core.accounting.scope2.policies import MatchPolicy
from services.core.facility.assemble_electricity import LOCATION, MARKET
from services.core.facility.electricity import Electricity
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.electricity import MatchedElectricity
from services.core.store.answers.facility_queries import FacilityRow
from services.core.timeline.instants import HOUR_US, MINUTE_US, to_us

Floats = NDArray[np.float64]


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


def use_rows(
    facility: FacilityRow, hours: MatchedElectricity, buckets: Buckets, now: datetime
) -> Iterator[Row]:
    """Yield a row for each interval."""
    load, matched = hours.load, hours.matched
    sums = _Sums(load.hour_us, buckets)
    loads, rest, hourly_rest, free = map(
        sums, (load.kwh, matched.rest_kwh, matched.hourly_rest_kwh, matched.carbon_free_kwh)
    )
    score = sums(matched.carbon_free_kwh + matched.rest_kwh * np.nan_to_num(hours.grid_carbon_free))
    unscored = sums((matched.rest_kwh > 0) & np.isnan(hours.grid_carbon_free))
    known = sums(load.known)
    contracted = sums(_contracted(hours))
    unmatched = sums(load.known & (matched.hourly_rest_kwh > 0))
    masses = [sums(kg) for kg in (load.co2_kg, matched.market_kg, load.market_kg)]
    known_ms, final = sums(load.known_ms), sums(load.final)
    lengths_us = buckets.ends_us - buckets.begins_us
    lengths_ms = _lengths_ms(buckets, now) * max(1, load.sources)
    policies = _policies(hours, sums, len(buckets))
    for i, bucket in enumerate(buckets):
        is_known, has_load = known[i] > 0, loads[i] > 0
        names = policies[i]
        yield {
            "time": bucket.begins,
            "facility": facility.slug,
            "zone": hours.stated.zone,
            "match": " ".join(policy.name for policy in names),
            "match_published": " ".join(
                str(policy.published) for policy in names if policy.published
            )
            or None,
            "match_draft": any(policy.is_draft for policy in names),
            "load_kwh": float(loads[i]) if is_known else None,
            "contracted_kwh": float(contracted[i]),
            "matched_kwh": float(loads[i] - rest[i]) if is_known else None,
            "unmatched_kwh": float(rest[i]) if is_known else None,
            "matched_share": _share(loads[i] - rest[i], loads[i]) if has_load else None,
            "hourly_share": _share(loads[i] - hourly_rest[i], loads[i]) if has_load else None,
            "known_hours": int(known[i]),
            "unmatched_hours": int(unmatched[i]),
            "carbon_free_share": _share(free[i], loads[i]) if has_load else None,
            "cfe_share": _share(score[i], loads[i]) if has_load and not unscored[i] else None,
            **{
                name: float(mass[i]) if is_known else None
                for name, mass in zip(
                    ("co2_location_kg", "co2_market_kg", "co2_uncontracted_kg"),
                    masses,
                    strict=True,
                )
            },
            "coverage": min(1.0, _share(known_ms[i], lengths_ms[i])),
            "state": "final" if final[i] * HOUR_US >= lengths_us[i] else "provisional",
        }


def contract_rows(
    facility: FacilityRow, hours: MatchedElectricity, buckets: Buckets, now: datetime
) -> Iterator[Row]:
    """Yield a row for each contract and interval."""
    sums = _Sums(hours.load.hour_us, buckets)
    stated: Electricity = hours.stated
    for index, (contract, supply) in enumerate(
        zip(stated.contracts, hours.supplies, strict=bool(hours.supplies))
    ):
        contracted = sums(supply.kwh)
        used, kg = sums(hours.matched.used_kwh[index]), sums(hours.matched.used_kg[index])
        known_ms = hours.amounts_known_ms.get(contract.channel or "")
        coverage = None if known_ms is None else sums(known_ms) / _lengths_ms(buckets, now)
        for i, bucket in enumerate(buckets):
            yield {
                "time": bucket.begins,
                "facility": facility.slug,
                "contract": contract.id,
                "contract_name": contract.name or contract.id,
                "technology": contract.technology,
                "zone": contract.zone or stated.zone,
                "contracted_kwh": float(contracted[i]),
                "used_kwh": float(used[i]),
                "co2_kg": float(kg[i]),
                "coverage": None
                if contract.channel is None
                else 0.0
                if coverage is None
                else min(1.0, _share(coverage[i], 1.0)),
            }


def storage_rows(
    facility: FacilityRow, hours: MatchedElectricity, buckets: Buckets
) -> Iterator[Row]:
    """Yield a row for each storage and interval."""
    hour_us = hours.load.hour_us
    sums = _Sums(hour_us, buckets)
    # the last hour that an interval has; of the first ones that none has, the very first hour
    last = np.maximum(0, np.searchsorted(hour_us, buckets.ends_us) - 1)
    for storage in hours.stated.storage:
        use = hours.storages[storage.id]
        charged, discharged, known = map(
            sums, (use.charged_kwh, use.discharged_kwh, use.returned.known_kwh)
        )
        taken_kg, out_kg = ([sums(row) for row in kg] for kg in (use.taken_kg, use.returned.kg))
        of_meter = storage.contract is None
        for i, bucket in enumerate(buckets):
            yield {
                "time": bucket.begins,
                "facility": facility.slug,
                "storage": storage.id,
                "contract": storage.contract,
                "charged_kwh": float(charged[i]),
                "discharged_kwh": float(discharged[i]),
                "attributed_kwh": float(known[i]),
                "stored_kwh": float(use.returned.stored_kwh[last[i]]),
                "charged_location_kg": float(taken_kg[LOCATION][i]) if of_meter else None,
                "charged_market_kg": float(taken_kg[MARKET][i]),
                "discharged_location_kg": float(out_kg[LOCATION][i]) if of_meter else None,
                "discharged_market_kg": float(out_kg[MARKET][i]),
            }


def _contracted(hours: MatchedElectricity) -> Floats:
    total = np.zeros(hours.load.hour_us.size)
    for supply in hours.supplies:
        total += supply.kwh
    return total


def _policies(hours: MatchedElectricity, sums: _Sums, buckets: int) -> list[list[MatchPolicy]]:
    """Return the policies that hold in each interval, in the order in which they begin."""
    policy = hours.calendar.policy_of(hours.load.hour_us)
    present = [sums(policy == index) > 0 for index in range(len(hours.calendar.policies))]
    return [
        [p for index, p in enumerate(hours.calendar.policies) if present[index][i]]
        for i in range(buckets)
    ]


def _share(part: float, whole: float) -> float:
    return round(float(part / whole), 6)


def _lengths_ms(buckets: Buckets, now: datetime) -> Floats:
    """Return the time of each interval that can be known."""
    minute_ends_us = (to_us(now) // MINUTE_US + 1) * MINUTE_US
    until_us = np.minimum(buckets.ends_us, minute_ends_us)
    return np.maximum(1.0, (until_us - buckets.begins_us) / 1000)
