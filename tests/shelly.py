"""Devices that nobody registered, among them a Shelly of the second generation, as its maker
documents it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from tests.e2e.stack import Device
from tests.patience import until


class Shelly:
    """Publishes its maker's notifications."""

    def __init__(self, device: Device, name: str) -> None:
        self._device = device
        self.name = name

    def notify(self, total_wh: float, ts: float) -> None:
        switch = {"id": 0, "apower": 3600.0, "aenergy": {"total": total_wh, "minute_ts": int(ts)}}
        notification = {
            "src": self.name,
            "dst": f"{self.name}/events",
            "method": "NotifyStatus",
            "params": {"ts": ts, "switch:0": switch},
        }
        self._device.publish(f"{self.name}/events/rpc", json.dumps(notification))


def wait_until_heard(device: Device, candidates: Callable[[], Iterable[dict[str, Any]]]) -> None:
    """Publish until discovery hears it: it has a session without memory, begun beside ingest's."""

    def listed() -> bool:
        device.publish("zigbee2mqtt/First", json.dumps({"energy": 1}))
        return any(row["label"] == "First" for row in candidates())

    until(listed, "discovery listens to the broker")
