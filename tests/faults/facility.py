"""The works that the rounds are played on: a register, a gauge and a stack."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.faults.books import Books, Entry

FACILITY = "faults"

_FILE = """
facility: {id: faults, name: Fault rounds, timezone: UTC}
devices:
  - id: f-meter
    channels:
      - {id: energy, quantity: energy, unit: kWh, kind: counter}
      - {id: power, quantity: power, unit: kW, kind: gauge, max_gap: 60}
  - id: f-cems
    topic: stack/f-cems/readings
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, max_gap: 60}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 60}
MORE
factors:
  - {id: f-grid, unit: kWh, co2_kg: 0.25, citation: fault rounds}
sources:
  - {id: register, scope: 2, method: activity, input: f-meter.energy, factor: f-grid}
  - {id: gauge, scope: 2, method: activity, input: f-meter.power, factor: f-grid}
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {co2: f-cems.co2, flow: f-cems.flow}
"""


#: An edge node's meter, by Sparkplug.
EDGE = "f-edge"

#: A station, by HJ 212.
STATION = "f-station"
STATION_MN = "010000A8900016F000169DC0"
#: What ingest asks by itself, at a P1 port and by Modbus TCP.
P1_METER = "f-p1"
MODBUS_METER = "f-modbus"

_EDGE_FILE = """
  - id: f-edge
    format: sparkplug
    sparkplug: {group: Faults, edge_node: Edge, device: Meter}
    channels: [{id: energy, quantity: energy, unit: kWh, kind: counter}]
  - id: f-station
    topic: hj212/STATION_MN
    format: hj212
    channels:
      - {id: power, from: a01001.Rtd, quantity: power, unit: kW, kind: gauge, max_gap: 60}
  - id: f-p1
    format: p1
    p1: {host: 127.0.0.1, port: P1_PORT, timezone: UTC}
    channels: [{id: energy, from: 1-0:1.8.1, quantity: energy, unit: kWh, kind: counter}]
  - id: f-modbus
    format: modbus
    modbus: {host: 127.0.0.1, port: MODBUS_PORT, every: 10s, timeout: 10s}
    channels:
      - id: energy
        register: {address: 0, function: input, type: uint32}
        quantity: energy
        unit: kWh
        kind: counter
"""
_EDGE_SOURCE = """
  - {id: edge, scope: 2, method: activity, input: f-edge.energy, factor: f-grid}
  - {id: station, scope: 2, method: activity, input: f-station.power, factor: f-grid}
  - {id: p1, scope: 2, method: activity, input: f-p1.energy, factor: f-grid}
  - {id: modbus, scope: 2, method: activity, input: f-modbus.energy, factor: f-grid}
"""


def door_file(ports: Mapping[str, int]) -> str:
    """The facility file of the rounds of ways in: devices of each of them beside the others.

    ``ports``: where devices are that ingest connects to.
    """
    devices = _EDGE_FILE.lstrip("\n").replace("STATION_MN", STATION_MN)
    for device in (P1_METER, MODBUS_METER):
        # port 1: nobody is there yet
        port = str(ports.get(device, 1))
        devices = devices.replace(f"{device.removeprefix('f-').upper()}_PORT", port)
    return _FILE.replace("MORE\n", devices) + _EDGE_SOURCE.lstrip("\n")


def file(others: int) -> str:
    """The facility file, with so many devices more whose topics begin each in its own way."""
    more = "".join(
        f"  - {{id: f-other-{i}, topic: other-{i}/{'/'.join('x' * (i + 1))}, channels:"
        " [{id: power, quantity: power, unit: kW, kind: gauge}]}\n"
        for i in range(others)
    )
    return _FILE.replace("MORE\n", more)


#: Below and above what the broker takes as filters of their own.
OTHERS = (1, 7, 3, 4)

#: Where a device publishes that has a topic of its own.
TOPICS = {"f-cems": "stack/f-cems/readings"}

CO2_KG_PER_KWH = 0.25

#: 2026-01-01T00:00Z; each round has two hours of its own.
_BEGIN_MS = 1_767_225_600_000
_ROUND_MS = 2 * 3_600_000
STEP_MS = 4_000


def entries(
    round_number: int, messages: int, dice: random.Random, *, begin_ms: int | None = None
) -> Iterator[Entry]:
    """A round's messages, in order of time; a register goes on rising from round to round."""
    begin = _BEGIN_MS + round_number * _ROUND_MS if begin_ms is None else begin_ms
    index = 1000.0 * round_number
    for number in range(messages // 2):
        ts_ms = begin + number * STEP_MS
        index = round(index + dice.uniform(0, 0.5), 3)
        yield Entry(
            device="f-meter",
            ts_ms=ts_ms,
            values={"energy": index, "power": round(dice.uniform(0, 500), 2)},
        )
        yield Entry(
            device="f-cems",
            ts_ms=ts_ms,
            values={
                "co2": round(dice.uniform(8, 14), 2),
                "flow": round(dice.uniform(1e5, 2e5), 1),
            },
        )


def readings_of(messages: int) -> int:
    """How many readings :func:`entries` makes of so many messages: pairs of two readings each."""
    return messages // 2 * 4


def edge_entries(round_number: int, messages: int, dice: random.Random) -> Iterator[Entry]:
    """A round's messages of the edge node's meter."""
    for entry in entries(round_number, messages, dice):
        if "energy" in entry.values:
            yield Entry(device=EDGE, ts_ms=entry.ts_ms, values={"energy": entry.values["energy"]})


def station_entries(round_number: int, messages: int, dice: random.Random) -> Iterator[Entry]:
    """A round's messages of the station."""
    for entry in entries(round_number, messages, dice):
        if "power" in entry.values:
            yield Entry(device=STATION, ts_ms=entry.ts_ms, values={"power": entry.values["power"]})


def meter_entries(round_number: int, messages: int, dice: random.Random) -> Iterator[Entry]:
    """A round's telegrams of the P1 port."""
    for entry in edge_entries(round_number, messages, dice):
        yield Entry(device=P1_METER, ts_ms=entry.ts_ms, values=entry.values)


def late_entries(
    books: Books, messages: int, dice: random.Random, *, after_ms: int = 0
) -> Iterator[Entry]:
    """Messages of times between those that were acknowledged; a register stays between its two."""
    index, power = books.readings["f-meter.energy"], books.readings["f-meter.power"]
    times = sorted(ts_ms for ts_ms in index if ts_ms >= after_ms)
    pairs = [(a, b) for a, b in pairwise(times) if b - a == STEP_MS]
    for begin, end in dice.sample(pairs, min(messages, len(pairs))):
        ts_ms = begin + dice.randrange(1, STEP_MS)
        yield Entry(
            device="f-meter",
            ts_ms=ts_ms,
            values={
                "energy": round((index[begin] + index[end]) / 2, 6),
                "power": round(power[begin] + 1, 2),
            },
        )
