"""Which rows of which tables belong to one facility, in an order that no foreign key forbids.

A condition is said with the parameters ``:id`` and ``:facility`` (its number and slug),
``:channels``, ``:sources`` and ``:thresholds`` (numbers, see :data:`IDS`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.core.store.schema.activity_tables import activity_entry, activity_withdrawal
from services.core.store.schema.electricity_tables import certificate_use, electricity_revision
from services.core.store.schema.factor_series_tables import (
    factor_inbox,
    factor_series,
    factor_value,
)
from services.core.store.schema.file_tables import facility_version
from services.core.store.schema.pathway_tables import base_year_figure, pathway_revision
from services.core.store.schema.pollutant_tables import pollutant_mean, pollutant_mean_history
from services.core.store.schema.product_tables import product_revision
from services.core.store.schema.removal_tables import credit_unit, removal_revision
from services.core.store.schema.sum_tables import emission_day, emission_month

_CHANNELS: Final = "channel_id = ANY(:channels)"
_SOURCES: Final = "source_id = ANY(:sources)"
_SERIES: Final = "series_id IN (SELECT s.id FROM factor_series s WHERE s.facility_id = :id)"
_THRESHOLDS: Final = "threshold_id = ANY(:thresholds)"
_FACILITY: Final = "facility_id = :id"

#: What is deleted in pieces, by table and condition, in an order that no foreign key forbids.
DATA: Final[Mapping[str, str]] = {
    "touched": _FACILITY,
    "recompute": _FACILITY,
    "following_minutes": _FACILITY,
    "reading": _CHANNELS,
    "packed_readings": _CHANNELS,
    "reading_correction": _CHANNELS,
    "discarded_reading": _CHANNELS,
    "calibration_test": _CHANNELS,
    "channel_horizon": _CHANNELS,
    "archived_span": _CHANNELS,
    "archive_file": _FACILITY,
    "emission_minute": _SOURCES,
    "packed_minutes": _SOURCES,
    # before the hours, or each of these would look for them
    emission_day.name: _SOURCES,
    emission_month.name: _SOURCES,
    "emission_hour": _SOURCES,
    "emission_hour_history": _SOURCES,
    "packed_hours": _SOURCES,
    "source_hour_input": _SOURCES,
    "source_hour_input_history": _SOURCES,
    pollutant_mean.name: _SOURCES,
    pollutant_mean_history.name: _SOURCES,
    "rolling_total": _SOURCES,
    "outbox": _FACILITY,
    "alert_comment": "alert_id IN (SELECT a.id FROM alert a WHERE a.facility_id = :id)",
    "alert": _FACILITY,
    "alert_transition": _THRESHOLDS,
    "threshold_state": _FACILITY,
    "quarantine": "facility = :facility",
    activity_withdrawal.name: _FACILITY,
    activity_entry.name: _FACILITY,
    factor_inbox.name: _SERIES,
    factor_value.name: _SERIES,
}

#: What goes with the facility itself, in such an order too.
REGISTRY: Final[Mapping[str, str]] = {
    "threshold_revision": _THRESHOLDS,
    "threshold": _FACILITY,
    "maintenance": _FACILITY,
    "source_input": _SOURCES,
    "source_revision": _SOURCES,
    "source_absence": _SOURCES,
    "source": _FACILITY,
    "channel_revision": _CHANNELS,
    "channel": "id = ANY(:channels)",
    "device": _FACILITY,
    "factor": _FACILITY,
    factor_series.name: _FACILITY,
    "facility_grant": _FACILITY,
    "set_aside": _FACILITY,
    base_year_figure.name: _FACILITY,
    pathway_revision.name: _FACILITY,
    product_revision.name: _FACILITY,
    certificate_use.name: _FACILITY,
    electricity_revision.name: _FACILITY,
    credit_unit.name: _FACILITY,
    removal_revision.name: _FACILITY,
    facility_version.name: _FACILITY,
    "facility_retirement": _FACILITY,
    "facility_progress": _FACILITY,
    "facility": "id = :id",
}

ALL: Final[Mapping[str, str]] = {**DATA, **REGISTRY}

#: Those numbers of a facility.
IDS: Final = """
SELECT ARRAY(SELECT c.id FROM channel c JOIN device d ON d.id = c.device_id
             WHERE d.facility_id = :id) AS channels,
       ARRAY(SELECT s.id FROM source s WHERE s.facility_id = :id) AS sources,
       ARRAY(SELECT h.id FROM threshold h WHERE h.facility_id = :id) AS thresholds
"""
