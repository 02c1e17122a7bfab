"""The facility files that describe the simulator's own facilities to tonne."""

from __future__ import annotations

from sensors_sim.load import Load, device_ids

_METER = """\
  - id: {id}
    channels:
      - {{id: import-energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}}
      - {{id: import-power, quantity: power, unit: kW, kind: gauge, max_gap: 120}}
"""
_WORKS = """\
facility: {{id: {id}, name: "Simulated works {id}", timezone: Europe/Vienna}}
devices:
{meters}\
  - id: {id}-gas-1
    channels: [{{id: volume, quantity: volume, unit: m3, kind: counter, max_rate: 900}}]
  - id: {id}-stack-1
    channels:
      - {{id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, range: [0, 25], max_gap: 120}}
      - {{id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet, max_gap: 120}}
      - {{id: h2o, quantity: fraction, unit: "%", kind: gauge, max_gap: 120}}
factors:
  - {{id: works-grid, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, valid_to: 2026-01-01, citation: "simulated"}}
  - {{id: works-grid, unit: kWh, co2_kg: 0.20, valid_from: 2026-01-01, citation: "simulated"}}
  - {{id: works-gas, unit: m3, co2_kg: 1.98, valid_from: 2020-01-01, citation: "simulated"}}
sources:
  - {{id: grid-hall-1, scope: 2, method: activity, input: {id}-meter-1.import-energy, factor: works-grid}}
  - {{id: grid-hall-2, scope: 2, method: activity, input: {id}-meter-2.import-energy, factor: works-grid}}
  - {{id: boiler, scope: 1, method: activity, input: {id}-gas-1.volume, factor: works-gas}}
  - id: stack
    scope: 1
    method: stack
    equation: F-11
    inputs: {{co2: {id}-stack-1.co2, flow: {id}-stack-1.flow}}
    validity: none
    substitution: none
    lateness: 15m
"""  # noqa: E501 - one line of the file for each thing it declares


def works_file(facility: str) -> str:
    """Return the YAML for ``worlds.plant`` under this id, with the factors its truth uses."""
    meters = "".join(_METER.format(id=f"{facility}-meter-{number}") for number in (1, 2))
    return _WORKS.format(id=facility, meters=meters)


def load_file(job: Load) -> str:
    """Return the YAML for a load's devices: each one's first channel feeds a source of its own."""
    ids = device_ids(job)
    first, *others = job.channels
    channels = [f"      - {{id: {first}, quantity: energy, unit: kWh, kind: counter}}\n"] + [
        f"      - {{id: {name}, quantity: power, unit: kW, kind: gauge, max_gap: 120}}\n"
        for name in others
    ]
    devices = "".join(f"  - id: {one}\n    channels:\n{''.join(channels)}" for one in ids)
    sources = "".join(
        f"  - {{id: {one}, scope: 2, method: activity, input: {one}.{first}, factor: load-grid}}\n"
        for one in ids
    )
    return (
        f'facility: {{id: {job.facility}, name: "Load generator", timezone: Etc/UTC}}\n'
        f"devices:\n{devices}"
        "factors:\n"
        "  - {id: load-grid, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01,"
        ' citation: "simulated"}\n'
        f"sources:\n{sources}"
    )
