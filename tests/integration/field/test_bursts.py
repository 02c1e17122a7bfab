"""Backlogs as gateways send them after an outage."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.field.bench import FieldBench

_FILE = """
facility: {id: works, name: Works, timezone: UTC}
devices:
  - id: meter
    channels: [{id: e, quantity: energy, unit: kWh, kind: counter, max_rate: 100}]
factors: [{id: f, unit: kWh, co2_kg: 0.5, valid_from: 2020-01-01, citation: a}]
sources: [{id: grid, scope: 2, method: activity, input: meter.e, factor: f}]
"""
_START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.incident
def test_a_shuffled_doubled_backlog_counts_once(field: FieldBench) -> None:
    field.apply(_FILE)
    messages = [
        (
            "emissions/works/meter/readings",
            json.dumps({"ts": (_START + timedelta(minutes=k)).isoformat(), "values": {"e": k / 2}}),
        )
        for k in range(361)
    ] * 2
    random.Random(33).shuffle(messages)
    for k in range(0, len(messages), 100):
        field.deliver(messages[k : k + 100], at=_START + timedelta(hours=7))
    field.settle(_START + timedelta(hours=7))
    assert field.total("grid") == (pytest.approx(180.0), pytest.approx(90.0))
    assert [hour["activity"] for hour in field.hours("grid")][:6] == pytest.approx([30.0] * 6)
    assert field.quarantine() == []
