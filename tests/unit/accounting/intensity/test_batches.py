"""Batches as a channel tells them."""

from __future__ import annotations

import numpy as np

from services.core.accounting.intensity.batches import numbered

MINUTE = 60 * 10**6
NOW = 100 * MINUTE


def batches(*readings: tuple[int, float]) -> list[tuple[str, int, int]]:
    ts_us = np.array([minute * MINUTE for minute, _ in readings], dtype=np.int64)
    value = np.array([number for _, number in readings])
    return [
        (run.name, run.begins_us // MINUTE, run.ends_us // MINUTE)
        for run in numbered(ts_us, value, NOW)
    ]


def test_a_number_begins_a_batch_and_another_one_or_zero_ends_it() -> None:
    told = batches((10, 7), (20, 8), (30, 0), (40, 9))
    assert told == [("7", 10, 20), ("8", 20, 30), ("9", 40, 100)]


def test_a_gauge_repeats_the_number() -> None:
    assert batches((10, 7), (11, 7), (12, 7), (13, 0), (14, 0)) == [("7", 10, 13)]


def test_a_batch_that_goes_on_after_a_pause_comes_twice() -> None:
    assert batches((10, 7), (20, 0), (30, 7), (40, 0)) == [("7", 10, 20), ("7", 30, 40)]


def test_long_numbers_keep_their_digits() -> None:
    assert batches((10, 20261122001.0))[0][0] == "20261122001"


def test_nothing_is_no_batch() -> None:
    assert batches() == []
    assert batches((10, 0)) == []
