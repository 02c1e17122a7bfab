"""What contracts supply of a facility's load, in the windows of live totals."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from services.api.models.electricity import MatchedBy, MatchedLoad
from services.api.models.electricity_rows import use_columns
from services.api.models.live_electricity import MATCHED_WINDOWS
from services.core.facility.assemble_electricity import is_in_force
from services.core.store.answers.buckets import Buckets
from services.core.store.answers.electricity import MatchedElectricity
from services.core.store.answers.facility_queries import FacilityRow
from services.core.timeline.instants import HOUR, HOUR_US, MINUTE, from_us, to_us
from services.core.timeline.windows import first_minutes

#: What a window has of the rows of ``GET /v1/electricity``.
_OF_ROWS: Final = (*MatchedBy.model_fields, *MatchedLoad.model_fields)


def begins_of(now: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    """Return when each window begins; the year begins first."""
    minute = now.replace(second=0, microsecond=0)
    begins = first_minutes(minute, zone)
    return {"hour": from_us(to_us(minute) // HOUR_US * HOUR_US)} | {
        window: begins[window] for window in MATCHED_WINDOWS[1:]
    }


def matched_totals(
    facility: FacilityRow, hours: MatchedElectricity, now: datetime
) -> dict[str, Any]:
    """Build the part of the live body, of hours from the year's first one on."""
    zone = ZoneInfo(facility.timezone)
    return {
        "as_of": now,
        "by_certificates": any(
            contract.certified or contract.is_told_by_certificates
            for contract in hours.stated.contracts
            if is_in_force(contract, now.astimezone(zone).date())
        ),
        "totals": {
            window: _total(facility, hours, begins, now)
            for window, begins in begins_of(now, zone).items()
        },
    }


def _total(
    facility: FacilityRow, hours: MatchedElectricity, begins: datetime, now: datetime
) -> dict[str, Any]:
    columns = use_columns(facility, hours, Buckets.between([begins, now + HOUR]), now).columns
    inside = hours.load.hour_us >= to_us(begins)
    return {
        **{name: columns[name].cells()[0] for name in _OF_ROWS},
        "begins": begins,
        "hours": int(np.count_nonzero(inside)),
        "final_hours": int(np.count_nonzero(inside & hours.load.final & hours.load.known)),
        "supply_coverage": _supply_coverage(hours, begins, now),
    }


def _supply_coverage(hours: MatchedElectricity, begins: datetime, now: datetime) -> float | None:
    """Return the known share of the time of the channels of contracts and storages in force."""
    hour_us = hours.load.hour_us
    until_us = to_us(now.replace(second=0, microsecond=0) + MINUTE)
    inside = hour_us >= to_us(begins)
    length_ms = np.minimum(HOUR_US, until_us - hour_us) // 1000
    known_ms = expected_ms = 0
    for channel, counts in hours.measured.items():
        of_channel = hours.amounts_known_ms.get(channel, np.zeros_like(length_ms))
        expected_ms += int(length_ms[inside & counts].sum())
        known_ms += int(np.minimum(of_channel, length_ms)[inside & counts].sum())
    return round(known_ms / expected_ms, 6) if expected_ms else None
