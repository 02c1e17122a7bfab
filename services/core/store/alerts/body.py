"""An alert as the outside sees it: the API, the dashboard, the recipients of messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.core.accounting.alerting.measures import MEASURES
from services.core.accounting.methods import MASS_NAMES
from services.core.store.registry.watched_names import WatchedNames
from services.core.timeline.instants import rfc3339

#: Keys of the threshold that an alert repeats.
_OF_THRESHOLD = (
    "source",
    "scope",
    "device",
    "channel",
    "pollutant",
    "measure",
    "window",
    "severity",
    "message",
)


def names_and_unit(spec: Mapping[str, Any], names: WatchedNames) -> dict[str, Any]:
    """Return what people call what a threshold watches, the unit of its values, and which mass."""
    # one that cannot be understood must not hide the others
    stated = spec.get("measure") if isinstance(spec, Mapping) else None
    measure = MEASURES.get(stated) if isinstance(stated, str) else None
    return {
        "source_name": names.source,
        "device_name": names.device,
        "unit": names.channel_unit if measure is None or measure.unit is None else measure.unit,
        "figure": (spec.get("figure") or MASS_NAMES[0]) if measure and measure.has_figure else None,
    }


def alert_body(
    alert: Mapping[str, Any], spec: Mapping[str, Any], names: WatchedNames
) -> dict[str, Any]:
    """Return the alert; ``alert`` by the columns of its table, ``spec`` the threshold's."""
    return {
        "id": alert["id"],
        "threshold": spec["id"],
        "version": alert["threshold_version"],
        "state": alert["state"],
        "projected": alert["projected"],
        **{name: spec.get(name) for name in _OF_THRESHOLD},
        "value": alert["value"],
        "direction": "below" if spec.get("above") is None else "above",
        "limit": alert["limit_value"],
        "started_at": alert["started_at"],
        "fired_at": alert["fired_at"],
        "resolved_at": alert["resolved_at"],
        "crosses_at": alert["crosses_at"],
        "room": alert["room"],
        "acked_at": alert.get("acked_at"),
        "acked_by": alert.get("acked_by"),
        "undone_at": alert.get("undone_at"),
        "undone_by": alert.get("undone_by"),
        "ended_by": alert.get("ended_by"),
        "data_version": alert["data_version"],
        **names_and_unit(spec, names),
    }


def message_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the alert as the outbox holds it: instants in RFC 3339, without what is null."""
    return {
        name: rfc3339(value, timespec="milliseconds") if isinstance(value, datetime) else value
        for name, value in body.items()
        if value is not None
    }
