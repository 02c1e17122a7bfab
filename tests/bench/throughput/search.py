"""The highest load that a sink keeps up with."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.bench.throughput.plant import Plant
from tests.bench.throughput.sinks import Sink
from tests.bench.throughput.steady import Steady, steady

_PROBES = 4
_PROBE_S = 5.0
_STEP_DOWN = 0.93
_TRIES = 3


def sustained(
    plant: Plant,
    sink: Sink,
    *,
    seconds: float,
    between: tuple[float, float],
    say: Callable[[Steady], None],
) -> Steady:
    """Halve the range of rates by short probes, then measure for ``seconds`` what was kept up with.

    Where the long run shows that the probe had promised too much, the rate goes down a step.
    """
    low, high = between
    for _ in range(_PROBES):
        middle = round(math.sqrt(low * high), -2)
        found = steady(plant, sink, rate=middle, seconds=_PROBE_S)
        say(found)
        low, high = (middle, high) if found.keeps_up else (low, middle)
    for number in range(_TRIES):
        found = steady(plant, sink, rate=round(low * _STEP_DOWN**number, -2), seconds=seconds)
        say(found)
        if found.keeps_up:
            break
    return found
