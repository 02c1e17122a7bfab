"""Registers whose consumption was worked out by hand, and the bands of sums of meters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from services.core.accounting.registers import Epoch, RegisterConfig
from services.core.accounting.series import ChannelRule
from services.core.accounting.uncertainty import Component, Part, band
from services.core.facility import assemble, model

SECOND = 1_000_000


def consumption(readings: list[tuple[int, float]], **config: Any) -> float:
    """Add up the minutes of a register, its readings by seconds."""
    rule = ChannelRule(kind="counter", unit="kWh", register=RegisterConfig(**config))
    ts = np.array([second * SECOND for second, _ in readings], dtype=np.int64)
    value = np.array([index for _, index in readings])
    return float(rule.minutes(ts, value, 0, readings[-1][0] // 60).value.sum())


@pytest.mark.vector
@pytest.mark.parametrize(
    ("readings", "config", "right"),
    [
        pytest.param(
            [(0, 100.0), (900, 100.1), (1800, 100.09999999), (2700, 100.2), (3600, 100.19999998),
             (4500, 100.3)],
            {}, 0.3, id="E1 single precision that flutters",
        ),
        pytest.param(
            [(0, 999999.9), (900, 0.4), (1800, 1.0)],
            {"modulus": 1e6, "max_rate_per_h": 50.0}, 1.1, id="E3 rollover",
        ),
        pytest.param(
            [(0, 100.0), (3600, 101.0), (7200, 3.7), (10800, 4.7)],
            {
                "max_rate_per_h": 5.0,
                "epochs": (Epoch(from_us=5400 * SECOND, start=3.2, reason="replacement"),),
            },
            2.5, id="E5 replacement",
        ),
        pytest.param(
            [(0, 9007199254.123), (900, 9007199255.123), (1800, 9007199256.123)],
            {}, 2.0, id="E6 large index",
        ),
    ],
)  # fmt: skip
def test_registers(readings: list[tuple[int, float]], config: dict[str, Any], right: float) -> None:
    assert consumption(readings, **config) == pytest.approx(right, abs=1e-6)


@pytest.mark.vector
def test_shared_meters_and_factors_widen_a_sum() -> None:
    """Vector E9: 400 kg a source; meter b feeds two of them, and factor g is of two."""
    a, b = Component(id="a", percent=2.0), Component(id="b", percent=2.0)
    g, g2 = Component(id="g", percent=5.0), Component(id="g2", percent=5.0)
    sources = [Part(kg=400.0, components=components) for components in ((a, g), (b, g), (b, g2))]
    assert round(band(sources).half_kg, 5) == 48.16638


@pytest.mark.vector
def test_an_equations_inputs_count_by_their_weight() -> None:
    """Vector E9: F-2 with 2.5, 3 and 10 % at 8 % moisture."""
    stack = model.StackSource(
        id="s", scope=1, method="stack", equation="F-2",
        inputs={"co2": "d.co2", "flow": "d.flow", "h2o": "d.h2o"},
    )  # fmt: skip
    channels = {
        "co2": model.Channel(id="co2", quantity="fraction", unit="%", kind="gauge", basis="dry"),
        "flow": model.Channel(id="flow", quantity="volume_flow", unit="scf/h", kind="gauge"),
        "h2o": model.Channel(id="h2o", quantity="fraction", unit="%", kind="gauge"),
    }
    weights = assemble.stack_method(stack, channels).sensitivities(
        {"co2": 12.0, "flow": 1e6, "h2o": 8.0}
    )
    stated = {"co2": 2.5, "flow": 3.0, "h2o": 10.0}
    percent = math.hypot(*(weights[role] * stated[role] for role in stated))
    assert percent == pytest.approx(4.000768, abs=1e-6)
