"""Channels under one rule, computed side by side, come to the very figures they come to alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from services.core.accounting import registers
from services.core.accounting.gauges import minute_means
from services.core.accounting.registers import Epoch, RegisterConfig
from services.core.accounting.series import ChannelRule
from services.core.accounting.spreading import spread

SECOND = 1_000_000
FIRST, LAST = 29_000_000, 29_000_007
START_US = (FIRST - 1) * 60 * SECOND

Alone = tuple[NDArray[np.int64], NDArray[np.float64]]


def _register(rng: random.Random) -> Alone:
    """Mostly plain; some roll over, are reset, misread for a moment or leave gaps."""
    ts, value, index = [], [], rng.uniform(0, 999)
    at = START_US + rng.randrange(60) * SECOND
    troubled = rng.random() < 0.5
    while at < (LAST + 2) * 60 * SECOND:
        index += rng.uniform(0, 0.2)
        if troubled and rng.random() < 0.05:
            index = rng.choice([index % 1.0, 0.0, index + 400.0])
        shown = rng.choice([0.0, np.nan]) if troubled and rng.random() < 0.05 else index % 1000.0
        ts.append(at)
        value.append(round(shown, 3))
        at += rng.choice([1, 7, 60, 200]) * SECOND
    return np.array(ts, dtype=np.int64), np.array(value)


def _side_by_side(
    rule: ChannelRule, channels: list[Alone]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    owner = np.repeat(np.arange(len(channels)), [ts.size for ts, _ in channels])
    return rule.minutes_of_many(
        np.concatenate([ts for ts, _ in channels]),
        np.concatenate([value for _, value in channels]),
        owner,
        len(channels),
        FIRST,
        LAST,
    )


@pytest.mark.parametrize(
    "config",
    [
        RegisterConfig(max_rate_per_h=800.0, modulus=1000.0),
        RegisterConfig(max_rate_per_h=800.0, resolution=0.001),
        RegisterConfig(),
        RegisterConfig(
            max_rate_per_h=800.0, epochs=(Epoch(from_us=FIRST * 60 * SECOND, start=0.0),)
        ),
    ],
)
def test_registers(config: RegisterConfig) -> None:
    rng = random.Random(4)
    channels = [_register(rng) for _ in range(60)]
    channels[7] = (channels[7][0][:0], channels[7][1][:0])
    channels[9] = (channels[9][0][:1], channels[9][1][:1])
    longest_us = 60 * SECOND
    rule = ChannelRule(kind="counter", unit="kWh", register=config, estimated_after_us=longest_us)

    amounts, covered, estimated = _side_by_side(rule, channels)

    for i, (ts, value) in enumerate(channels):
        known = np.isfinite(value)
        steps = registers.steps(ts[known], value[known], config)
        alone = spread(steps.t0_us, steps.t1_us, steps.amount, FIRST, LAST)
        assert amounts[i].tolist() == alone[0].tolist()
        assert covered[i].tolist() == alone[1].tolist()
        long = steps.t1_us - steps.t0_us > longest_us
        of_long = spread(steps.t0_us[long], steps.t1_us[long], steps.amount[long], FIRST, LAST)
        assert estimated[i].tolist() == of_long[1].tolist()
    assert 0 < estimated.sum() < covered.sum()


def test_gauges() -> None:
    rng = random.Random(5)
    channels = [_register(rng) for _ in range(40)]
    rule = ChannelRule(kind="gauge", unit="kW", max_gap_us=90 * SECOND)

    means, covered, estimated = _side_by_side(rule, channels)

    for i, (ts, value) in enumerate(channels):
        alone = minute_means(ts, value, 90 * SECOND, FIRST, LAST)
        assert np.array_equal(means[i], alone[0], equal_nan=True)
        assert covered[i].tolist() == alone[1].tolist()
    assert not estimated.any()
