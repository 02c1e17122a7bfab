"""How long a million minutes take from summaries to masses, on one core.

Run by ``make bench``; writes ``.tonne/bench/convert.json``. Each figure is the median of several
runs of the pure accounting core, on arrays that are made beforehand.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from services.core.accounting.factor_spans import FactorSpan
from services.core.accounting.methods import ActivityMethod, Method, StackMethod
from services.core.accounting.series import MinuteSeries
from services.core.accounting.stack.equations import equation_for
from services.core.accounting.stack.measured import StackInputs
from services.core.accounting.units import conversion

MINUTES = 1_000_000
RUNS = 5


def series(rng: np.random.Generator, low: float, high: float, *, is_rate: bool) -> MinuteSeries:
    """Random minutes, a tenth of them only half covered."""
    return MinuteSeries(
        first_minute=0,
        value=rng.uniform(low, high, MINUTES),
        covered_us=np.where(rng.random(MINUTES) < 0.1, 30_000_000, 60_000_000).astype(np.int64),
        estimated_us=np.zeros(MINUTES, dtype=np.int64),
        is_rate=is_rate,
    )


def median_s(work: Callable[[], object]) -> float:
    """Median wall time of ``work``, in seconds, after one run that is not counted."""
    work()
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    """Measure, print and write the figures."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(1)
    minutes = np.arange(MINUTES, dtype=np.int64)
    kwh = conversion("kWh", "kWh")
    half = FactorSpan(from_minute=0, to_minute=MINUTES // 2, co2_kg=0.25, co2e_kg=0.26, factor_id=1)
    rest = FactorSpan(
        from_minute=MINUTES // 2, to_minute=None, co2_kg=0.2, co2e_kg=0.2, factor_id=2
    )
    cases: dict[str, tuple[Method, dict[str, MinuteSeries]]] = {
        "activity": (
            ActivityMethod(to_activity=kwh, activity_unit="kWh", factor_spans=(half, rest)),
            {"input": series(rng, 0, 50, is_rate=False)},
        ),
        "F-11": (
            StackMethod(
                equation=equation_for("F-11"),
                inputs=StackInputs(
                    conversions={"co2": conversion("%", "%"), "flow": conversion("scf/h", "scf/h")}
                ),
            ),
            {
                "co2": series(rng, 8, 14, is_rate=True),
                "flow": series(rng, 1e5, 2e5, is_rate=True),
            },
        ),
    }
    figures = {
        name: median_s(lambda m=method, s=inputs: m.masses(s, minutes))  # type: ignore[misc]
        for name, (method, inputs) in cases.items()
    }
    for name, seconds in figures.items():
        print(f"{name:10} {MINUTES} minutes in {seconds:.3f} s (median of {RUNS}, one core)")
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "convert.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"minutes": MINUTES, "seconds": figures}) + "\n")


if __name__ == "__main__":
    main()
