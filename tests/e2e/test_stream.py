"""A reading that is published reaches those who watch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Device, Stack
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.database, pytest.mark.broker]


def live_bodies(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Bodies of the events ``live``."""
    kind = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "live":
            yield json.loads(value)


def rate_kg_h(body: dict[str, Any]) -> float | None:
    (found,) = (source["rate_kg_h"] for source in body["sources"] if source["id"] == "stack-1")
    return found  # type: ignore[no-any-return]


def test_a_published_reading_comes_as_an_event(stack: Stack) -> None:
    with (
        Device(stack.mqtt_url) as device,
        httpx.stream(
            "GET", f"{stack.url}/v1/stream", params={"facility": "linz"}, timeout=PATIENCE_S
        ) as response,
    ):
        events = live_bodies(response)
        assert rate_kg_h(next(events)) is None
        ts = datetime.now(UTC).isoformat(timespec="milliseconds")
        device.publish(
            "emissions/linz/cems-1/readings",
            json.dumps({"ts": ts, "values": {"co2": 10.0, "flow": 1_000_000.0}}),
        )
        # 40 CFR 75 App. F, eq. F-11: short tons an hour; one short ton is 907.18474 kg
        expected = 5.7e-7 * 10.0 * 1_000_000.0 * 907.18474
        # covered time is kept in whole milliseconds, and a second of it is enough for a rate
        rates = (rate_kg_h(body) for body in events)
        assert next(rate for rate in rates if rate is not None) == pytest.approx(expected, rel=2e-3)
