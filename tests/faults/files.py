"""Messages as files that ``tonne import`` and ``tonne backfill`` take."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.bodies import csv, lines, rows
from tests.faults.books import Entry
from tests.faults.facility import FACILITY

_TABLE = f"""
facility: {FACILITY}
time: {{column: time, unit: ms}}
values:
  - {{channel: f-meter.energy, column: value, where: {{device: f-meter, field: energy}}}}
  - {{channel: f-meter.power, column: value, where: {{device: f-meter, field: power}}}}
  - {{channel: f-cems.co2, column: value, where: {{device: f-cems, field: co2}}}}
  - {{channel: f-cems.flow, column: value, where: {{device: f-cems, field: flow}}}}
"""


def commands(
    folder: Path, name: str, entries: Sequence[Entry], dice: random.Random
) -> tuple[str, ...]:
    """Write a file, and return the words of the command that takes it."""
    stem = f"{entries[0].device}-{entries[0].ts_ms}"
    if name == "backfill":
        table = folder / "table.yaml"
        table.write_text(_TABLE)
        is_packed = dice.random() < 0.5
        path = folder / f"{stem}.lp{'.gz' if is_packed else ''}"
        path.write_bytes(gzip.compress(lines(entries)) if is_packed else lines(entries))
        return "backfill", str(path), "--table", str(table)
    ending, content = history(entries, dice)
    path = folder / f"{stem}{ending}"
    path.write_bytes(content)
    return "import", str(path)


def history(entries: Sequence[Entry], dice: random.Random) -> tuple[str, bytes]:
    """Ending and content of a file of history, of a kind by the dice."""
    ending = dice.choice([".csv", ".csv.gz", ".parquet"])
    if ending != ".parquet":
        return ending, csv(entries) if ending == ".csv" else gzip.compress(csv(entries))
    names = ("time", "facility", "device", "channel", "value")
    columns = map(list, zip(*rows(entries), strict=True))
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), out)
    return ending, out.getvalue()
