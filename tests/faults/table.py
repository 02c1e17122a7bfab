"""The result table of a journal of rounds, as Markdown."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

_MARK = "<!-- the table of the last run; `make faults` writes it -->"


def write_table(journal: Path, page: Path, *, seed: int) -> None:
    """Replace the table in ``page``, which begins at its mark and ends with the page."""
    rounds: list[dict[str, Any]] = [json.loads(line) for line in journal.read_text().splitlines()]
    head, _, _ = page.read_text().partition(_MARK)
    page.write_text(f"{head}{_MARK}\n\n{_table(rounds, seed)}")


def _table(rounds: list[dict[str, Any]], seed: int) -> str:
    by_fault: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for played in rounds:
        for fault in played["faults"]:
            by_fault[fault].append(played)
    readings = sum(played["messages"] * 2 for played in rounds)
    failed = sum(not played["passed"] for played in rounds)
    lines = [
        f"Seed {seed}, {len(rounds)} rounds, {readings} acknowledged readings: {failed} failed.",
        "",
        "| fault | rounds | lost | invented | wrong minutes | quarantined | longest recovery |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in sorted(by_fault):
        played = by_fault[fault]
        figures = [
            sum(each["findings"][name] for each in played)
            for name in ("lost", "invented", "wrong_minutes", "quarantined")
        ]
        longest = max(each["recovery_s"] for each in played)
        lines.append(
            f"| {fault} | {len(played)} | {' | '.join(map(str, figures))} | {longest:.1f} s |"
        )
    return "\n".join(lines) + "\n"
