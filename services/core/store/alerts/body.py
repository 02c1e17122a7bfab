"""An alert as everybody outside sees it: the API, the screen, whoever is told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: Of the threshold, what an alert tells along.
_OF_THRESHOLD = ("source", "scope", "device", "channel", "measure", "window", "severity", "message")


def alert_body(alert: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """The alert; ``alert`` by the columns of its table, ``spec`` the threshold's."""
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
        "data_version": alert["data_version"],
    }


def as_told(body: Mapping[str, Any]) -> dict[str, Any]:
    """The alert as it is put into the outbox: instants as RFC 3339, what is not there left out."""
    return {
        name: _rfc3339(value) if isinstance(value, datetime) else value
        for name, value in body.items()
        if value is not None
    }


def _rfc3339(instant: datetime) -> str:
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
