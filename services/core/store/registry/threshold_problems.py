"""What must hold between a facility's thresholds and what they watch."""

from __future__ import annotations

from collections.abc import Iterator

from services.core.store.registry import facility_model as model
from services.core.store.registry.threshold_model import Maintenance, Threshold

Path = tuple[str | int, ...]
Finding = tuple[Path, str]


def problems(file: model.FacilityFile) -> Iterator[Finding]:
    """Every reason why a threshold or a maintenance cannot be used, with its path in the file."""
    for i, threshold in enumerate(file.thresholds):
        for key, reason in of_threshold(file, threshold):
            yield ("thresholds", i, key), reason
    for i, maintenance in enumerate(file.maintenance):
        for key, reason in of_maintenance(file, maintenance, {t.id for t in file.thresholds}):
            yield ("maintenance", i, key), reason


def of_threshold(file: model.FacilityFile, threshold: Threshold) -> Iterator[tuple[str, str]]:
    """Keys of a threshold that name what is not there, or what cannot be watched so."""
    if threshold.source is not None and threshold.source not in {s.id for s in file.sources}:
        yield "source", f"there is no source {threshold.source!r}"
    if threshold.scope is not None and threshold.scope not in {s.scope for s in file.sources}:
        yield "scope", f"there is no source of scope {threshold.scope}"
    if threshold.device is not None and threshold.device not in {d.id for d in file.devices}:
        yield "device", f"there is no device {threshold.device!r}"
    if threshold.channel is None:
        return
    channel = file.channel(threshold.channel)
    if channel is None:
        yield "channel", f"there is no channel {threshold.channel!r}"
    elif channel.kind != "gauge":
        yield (
            "channel",
            f"{threshold.channel} is a {channel.kind}; only a gauge has a value to watch",
        )


def of_maintenance(
    file: model.FacilityFile, maintenance: Maintenance, thresholds: set[str]
) -> Iterator[tuple[str, str]]:
    """Keys of a maintenance that name what is not there."""
    for source in set(maintenance.sources or ()) - {s.id for s in file.sources}:
        yield "sources", f"there is no source {source!r}"
    for threshold in set(maintenance.thresholds or ()) - thresholds:
        yield "thresholds", f"there is no threshold {threshold!r}"
