"""CPU time of a program with all that it started."""

from __future__ import annotations

import os
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process, its descendants, and those of them that have ended."""
    children: dict[int, list[tuple[int, float]]] = {}
    own_s = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        used_s = sum(map(int, fields[11:15])) * _TICK_S
        if int(entry.name) == pid:
            own_s = used_s
        children.setdefault(int(fields[1]), []).append((int(entry.name), used_s))
    total_s, todo = own_s, [pid]
    while todo:
        for child, used_s in children.get(todo.pop(), []):
            total_s += used_s
            todo.append(child)
    return total_s


def machine_cpu_s() -> float:
    """CPU seconds that all programs of the machine have used."""
    user, nice, system, _idle, _wait, *interrupts = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts)) * _TICK_S
