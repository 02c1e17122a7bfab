"""The result tables of journals of rounds, as Markdown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.facility import readings_of

_MARK = "<!-- the table of the last run; `make faults SOURCE={source}` writes it -->"
_ALERTS_MARK = "<!-- the table of the last run with alerts; `make faults` writes it -->"

_PACKING_MARK = "<!-- the table of the last run with packing; `make faults` writes it -->"

_DOORS_MARK = "<!-- the table of the last run of ways in; `make faults` writes it -->"

_CLUSTER_MARK = "<!-- the table of the last run on many machines{what}; `make faults` writes it -->"

_CLUSTER_COLUMNS = ("fault", "rounds", "another primary", "lost", "invented", "wrong minutes",
                    "quarantined", "median recovery", "longest recovery")  # fmt: skip

_DOOR_COLUMNS = ("way in", "struck by", "rounds", "lost", "invented", "wrong minutes",
                 "quarantined", "longest recovery")  # fmt: skip

_PACKING_COLUMNS = ("killed", "rounds", "lost", "invented", "wrong minutes", "quarantined",
                    "verify differs", "longest recovery")  # fmt: skip

_STATES_MARK = "<!-- the table of the last run of hard states; `make faults` writes it -->"

_STATE_COLUMNS = ("where", "hard state", "reached", "lost", "invented", "wrong minutes",
                  "quarantined", "longest recovery")  # fmt: skip

Rounds = list[dict[str, Any]]


def write_table(journal: Path, page: Path, *, seed: int, source: str) -> None:
    """Replace the table of ``source`` in ``page``, between its mark and the next heading."""
    _replace(page, _MARK.format(source=source), _table(_rounds(journal), seed))


def write_alert_table(journal: Path, page: Path, *, seed: int, messages: int) -> None:
    """Replace the table of the rounds with alerts."""
    _replace(page, _ALERTS_MARK, _alert_table(_rounds(journal), seed, messages))


def write_door_table(journal: Path, page: Path, *, seed: int) -> None:
    """Replace the table of the rounds of ways in."""
    _replace(page, _DOORS_MARK, _door_table(_rounds(journal), seed))


def write_state_table(journal: Path, page: Path, *, seed: int, names: Mapping[str, str]) -> None:
    """Replace the table of hard states; ``names``: of all there are, and where each lies."""
    _replace(page, _STATES_MARK, state_table(journal, seed=seed, names=names))


def state_table(journal: Path, *, seed: int, names: Mapping[str, str]) -> str:
    """Return how often each hard state was reached, with those that were not."""
    rounds = _rounds(journal)
    by_state: defaultdict[str, Rounds] = defaultdict(list)
    for played in rounds:
        by_state[played["state"]].append(played)
    reached = {name: sum(bool(p["evidence"]) for p in by_state[name]) for name in names}
    failed = sum(not played["passed"] for played in rounds)
    lines = _head(
        f"Seed {seed}, {_days(rounds)}, {len(rounds)} rounds, {sum(map(bool, reached.values()))} of"
        f" {len(names)} states reached: {failed} failed.",
        _STATE_COLUMNS,
    )
    for name, place in names.items():
        figures = [reached[name]] + [
            sum(played["findings"][figure] for played in by_state[name])
            for figure in ("lost", "invented", "wrong_minutes", "quarantined")
        ]
        longest = max((played["recovery_s"] for played in by_state[name]), default=0.0)
        lines.append(f"| {place} | {name} | {' | '.join(map(str, figures))} | {longest:.1f} s |")
    return "\n".join(lines) + "\n"


def write_packing_table(journal: Path, page: Path, *, seed: int) -> None:
    """Replace the table of the rounds in which days are packed."""
    _replace(page, _PACKING_MARK, _packing_table(_rounds(journal), seed))


def write_cluster_table(journal: Path, page: Path, *, seed: int, clocks: bool) -> None:
    """Replace the table of the rounds on many machines, or of those in which clocks jump."""
    mark = _CLUSTER_MARK.format(what=" in which clocks jump" if clocks else "")
    _replace(page, mark, _cluster_table(_rounds(journal), seed))


def _days(rounds: Rounds) -> str:
    """Return on which days rounds were played."""
    days = sorted({played["day"] for played in rounds})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "never"


def _rounds(journal: Path) -> Rounds:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def _replace(page: Path, mark: str, table: str) -> None:
    head, _, rest = page.read_text().partition(mark)
    _, heading, tail = rest.partition("\n## ")
    page.write_text(f"{head}{mark}\n\n{table}{heading}{tail}")


def _table(rounds: Rounds, seed: int) -> str:
    by_fault: defaultdict[str, Rounds] = defaultdict(list)
    for played in rounds:
        for fault in played["faults"]:
            by_fault[fault].append(played)
    readings = sum(readings_of(played["messages"]) for played in rounds)
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
        lines.append(_line(fault, played, figures))
    return "\n".join(lines) + "\n"


def _door_table(rounds: Rounds, seed: int) -> str:
    by_way: defaultdict[str, Rounds] = defaultdict(list)
    by_fault: defaultdict[tuple[str, str], Rounds] = defaultdict(list)
    for played in rounds:
        by_way[played["way_in"]].append(played)
        for fault in played["faults"]:
            by_fault[played["way_in"], fault].append(played)
    failed = sum(not played["passed"] for played in rounds)
    readings = sum(played["readings"] for played in rounds)
    names = ("lost", "invented", "wrong_minutes", "quarantined")
    lines = _head(
        f"Seed {seed}, {len(rounds)} rounds, {readings} acknowledged readings: {failed} failed.",
        _DOOR_COLUMNS,
    )
    for way_in in sorted(by_way):
        faults = sorted(fault for way, fault in by_fault if way == way_in)
        told = ", ".join(f"{fault} ({len(by_fault[way_in, fault])})" for fault in faults)
        figures = [sum(each["findings"][name] for each in by_way[way_in]) for name in names]
        lines.append(_line(f"{way_in} | {told}", by_way[way_in], figures))
    return "\n".join(lines) + "\n"


def _head(sentence: str, columns: Sequence[str]) -> list[str]:
    return [sentence, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def _packing_table(rounds: Rounds, seed: int) -> str:
    by_step: defaultdict[str, Rounds] = defaultdict(list)
    for played in rounds:
        by_step[played["step"]].append(played)
    readings = sum(played["readings"] for played in rounds)
    failed = sum(not played["passed"] for played in rounds)
    lines = _head(
        f"Seed {seed}, {len(rounds)} rounds, {readings} acknowledged readings: {failed} failed.",
        _PACKING_COLUMNS,
    )
    for step in sorted(by_step):
        played = by_step[step]
        figures = [
            sum(each["findings"][name] for each in played)
            for name in ("lost", "invented", "wrong_minutes", "quarantined")
        ]
        lines.append(_line(step, played, [*figures, sum(each["differ"] for each in played)]))
    return "\n".join(lines) + "\n"


def _cluster_table(rounds: Rounds, seed: int) -> str:
    by_fault: defaultdict[str, Rounds] = defaultdict(list)
    for played in rounds:
        for fault in played["faults"]:
            by_fault[fault].append(played)
    readings = sum(readings_of(played["messages"]) for played in rounds)
    failed = sum(not played["passed"] for played in rounds)
    late = sum(played["late"] for played in rounds)
    outcome = f"{failed} failed, {late} later than 15 s"
    lines = _head(
        f"Seed {seed}, {len(rounds)} rounds, {readings} acknowledged readings: {outcome}.",
        _CLUSTER_COLUMNS,
    )
    for fault in sorted(by_fault):
        played = by_fault[fault]
        figures = [sum(each["failed_over"] for each in played)] + [
            sum(each["findings"][name] for each in played)
            for name in ("lost", "invented", "wrong_minutes", "quarantined")
        ]
        middle = median(each["recovery_s"] for each in played)
        lines.append(_line(fault, played, [*figures, f"{middle:.1f} s"]))
    return "\n".join(lines) + "\n"


def _alert_table(rounds: Rounds, seed: int, messages: int) -> str:
    """Findings are of all rounds so far: what a round adds is the difference to the one before."""
    names = ("missed", "invented", "disordered", "unlike", "twice")
    before = dict.fromkeys(names, 0)
    added: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(names))
    by_step: defaultdict[str, Rounds] = defaultdict(list)
    for played in rounds:
        by_step[played["step"]].append(played)
        for i, name in enumerate(names):
            added[played["step"]][i] += played["findings"][name] - before[name]
        before = played["findings"]
    breaches = sum(played["breaches"] for played in rounds)
    failed = sum(not played["passed"] for played in rounds)
    said = (
        f"{breaches} breaches and their ends, {messages} messages received: {failed} rounds failed."
    )
    lines = [
        f"Seed {seed}, {len(rounds)} rounds, {said}",
        "",
        "| killed | rounds | missed | invented | end first | different | sent twice | until sent |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(step, by_step[step], added[step]) for step in sorted(by_step)),
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, played: Rounds, figures: Sequence[int | str]) -> str:
    longest = max(each["recovery_s"] for each in played)
    return f"| {name} | {len(played)} | {' | '.join(map(str, figures))} | {longest:.1f} s |"
