"""The true totals as JSON for a test and as a table for a reader."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sensors_sim.devices import Device, Sample
from sensors_sim.payloads import rfc3339
from sensors_sim.truth import FacilityTruth
from sensors_sim.worlds import Facility, Source, StackSource

#: Where minutes are not kept, those this much older than the newest sample are only summed.
_KEPT_MS = 7_200_000


class Books:
    """What was emitted over a whole call: every sample passes through ``add`` once."""

    def __init__(
        self,
        facilities: Iterable[Facility],
        devices: tuple[Device, ...],
        seed: int,
        *,
        keep_minutes: bool = True,
    ) -> None:
        """Keep books for the sources that these devices feed.

        Without ``keep_minutes`` a run of any length needs the same memory, and the report's lists
        of minutes hold the last hours only; its sums are whole.
        """
        self._seed = seed
        self._truths = {one.id: FacilityTruth(one, devices) for one in facilities}
        self._from_ms: int | None = None
        self._to_ms: int | None = None
        self._fold_at_ms: int | None = None
        self._keep_minutes = keep_minutes
        self.samples = 0
        self.values = 0

    def add(self, device: Device, sample: Sample) -> None:
        """Account for a sample that is going to be published."""
        ts_ms = sample.ts_ms
        self._truths[device.facility].add(device.id, sample)
        self.samples += 1
        self.values += len(sample.values)
        self._from_ms = ts_ms if self._from_ms is None else min(self._from_ms, ts_ms)
        self._to_ms = ts_ms if self._to_ms is None else max(self._to_ms, ts_ms)
        if not self._keep_minutes:
            self._fold(ts_ms)

    def _fold(self, ts_ms: int) -> None:
        if self._fold_at_ms is None:
            self._fold_at_ms = ts_ms + 2 * _KEPT_MS
        if ts_ms >= self._fold_at_ms:
            self._fold_at_ms = ts_ms + _KEPT_MS
            for truth in self._truths.values():
                truth.fold(ts_ms - _KEPT_MS)

    def report(self, messages: int) -> dict[str, Any]:
        """Close the books and return them; the keys are described in the simulator's README."""
        for truth in self._truths.values():
            truth.finish()
        return {
            "seed": self._seed,
            "from": None if self._from_ms is None else rfc3339(self._from_ms),
            "to": None if self._to_ms is None else rfc3339(self._to_ms),
            "messages": messages,
            "samples": self.samples,
            "values": self.values,
            "facilities": [_facility(truth) for truth in self._truths.values()],
        }


def _facility(truth: FacilityTruth) -> dict[str, Any]:
    sources = [_source(truth, source) for source in truth.sources]
    return {
        "id": truth.facility.id,
        "co2_kg": math.fsum(source["co2_kg"] for source in sources),
        "energy_kwh": math.fsum(s["amount"] for s in sources if s["unit"] == "kWh"),
        "sources": sources,
    }


def _source(truth: FacilityTruth, source: Source) -> dict[str, Any]:
    minutes = list(truth.minutes(source))
    folded = truth.folded[source.id]
    is_stack = isinstance(source, StackSource)
    amount = math.fsum([folded.amount, *(minute.amount or 0.0 for minute in minutes)])
    return {
        "id": source.id,
        "device": source.device,
        "method": "stack" if is_stack else "activity",
        "co2_kg": math.fsum([folded.co2_kg, *(minute.co2_kg for minute in minutes)]),
        "amount": None if is_stack else amount,
        "unit": None if is_stack else truth.unit(source),
        "covered_s": math.fsum([folded.covered_s, *(minute.covered_s for minute in minutes)]),
        "minutes": [
            {
                "time": rfc3339(minute.start_ms),
                "co2_kg": minute.co2_kg,
                "amount": minute.amount,
                "covered_s": minute.covered_s,
            }
            for minute in minutes
        ],
    }


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report so that a reader never sees half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(report) + "\n")
    part.replace(path)


def print_report(report: dict[str, Any]) -> None:
    """Print the totals per source and facility."""
    if report["from"] is None:
        print("nothing was emitted")
        return
    title = f"emitted {report['from']} to {report['to']}: {report['values']} values"
    table = Table(title=title, title_justify="left")
    for name in ("facility", "source", "kg CO2", "amount", "unit", "covered s"):
        table.add_column(name, justify="left" if name in {"facility", "source"} else "right")
    for facility in report["facilities"]:
        for source in facility["sources"]:
            amount = source["amount"]
            table.add_row(
                facility["id"],
                source["id"],
                f"{source['co2_kg']:.6f}",
                "" if amount is None else f"{amount:.3f}",
                source["unit"] or "",
                f"{source['covered_s']:.3f}",
            )
        table.add_row(
            facility["id"], "total", f"{facility['co2_kg']:.6f}",
            f"{facility['energy_kwh']:.3f}", "kWh", "", end_section=True,
        )  # fmt: skip
    Console(width=110, soft_wrap=True).print(table)
