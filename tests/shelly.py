"""A plug that nobody registered: a Shelly of the second generation, as its maker documents it."""

from __future__ import annotations

import json

from tests.e2e.stack import Device


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
