"""Which registers are read at once, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.connections.endpoints import ConnectedDevice
from services.ingest.connections.modbus import Rounds
from services.ingest.connections.requests import requests


def planned(*registers: dict[str, Any]) -> list[tuple[str, int, int]]:
    channels = [{"register": {"type": "uint16", **register}} for register in registers]
    return [(r.function, r.address, r.count) for r in requests(channels)]


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        ([{"address": 0}, {"address": 1}], [("holding", 0, 2)]),
        # between them there may be none
        ([{"address": 0}, {"address": 2}], [("holding", 0, 1), ("holding", 2, 1)]),
        (
            [{"address": 4, "type": "float32"}, {"address": 0, "type": "float64"}],
            [("holding", 0, 6)],
        ),
        (
            [{"address": 0, "function": "input"}, {"address": 1}],
            [("holding", 1, 1), ("input", 0, 1)],
        ),
        ([{"address": 7, "power_of_ten": 6}], [("holding", 6, 2)]),
        ([{"address": 0, "type": "uint32"}, {"address": 1}], [("holding", 0, 2)]),
        # 125 at most, and no number in two halves
        (
            [{"address": 2 * i, "type": "uint32"} for i in range(63)],
            [("holding", 0, 124), ("holding", 124, 2)],
        ),
    ],
)
def test_registers_that_touch_are_one_request(
    registers: list[dict[str, Any]], expected: list[tuple[str, int, int]]
) -> None:
    assert planned(*registers) == expected


def device(name: str, every: float) -> ConnectedDevice:
    return ConnectedDevice(
        facility="linz",
        device=name,
        part={"every": every, "timeout": 3.0},
        channels=[{"register": {"address": 0, "type": "uint16"}}],
    )


def test_devices_are_read_at_the_same_seconds_and_silent_ones_less_often() -> None:
    now = datetime(2026, 11, 23, 18, 0, 7, tzinfo=UTC)
    quick, slow = device("quick", 10.0), device("slow", 60.0)
    rounds = Rounds([quick, slow], now)
    assert rounds.wait_s(quick, now) == rounds.wait_s(slow, now) == 0
    rounds.answered(quick, now)
    assert rounds.next_device is slow
    rounds.answered(slow, now)
    assert (rounds.wait_s(quick, now), rounds.wait_s(slow, now)) == (3.0, 53.0)
    waits = []
    for _ in range(8):
        rounds.silent(quick, now)
        waits.append(rounds.wait_s(quick, now))
    assert 5 <= waits[0] <= 10
    assert 150 <= waits[-1] <= 300
    rounds.answered(quick, now + timedelta(seconds=3))
    assert rounds.wait_s(quick, now) == 13.0
