"""One load into one sink in steady state: what was stored in the window, and at what cost."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from tests.bench.throughput.cpu import machine_cpu_s, tree_cpu_s
from tests.bench.throughput.generator import Generator
from tests.bench.throughput.plant import Plant
from tests.bench.throughput.sinks import Sink

#: Of load before the window begins.
WARM_S = 3.0

#: The load goes on for as long after the window, for it starts and stops by itself.
_SPARE_S = 1.0

#: A sink keeps up when it stores this share of what is offered, and the rest within that time.
_KEEPS_SHARE = 0.985
_KEEPS_S = 1.0

_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Steady:
    """The figures of one window."""

    offered_per_s: float
    messages_per_s: float
    window_s: float
    keeps_up: bool
    #: after the last message was sent, until the last was stored; None: it never was
    drained_s: float | None
    acknowledged: int
    stored: int
    never_sent: int
    puback_p99_ms: float | None
    cpu_us_per_message: dict[str, float]
    #: of the machine's CPU time that was used in the window, the part that was none of these
    used_by_others: float


def steady(
    plant: Plant, sink: Sink, *, rate: float, seconds: float, patience_s: float = 60.0
) -> Steady:
    """Offer ``rate`` messages a second and watch for ``seconds``, after some warming up.

    Then what is left is waited for, ``patience_s`` at most.
    """
    with (
        psycopg.connect(plant.database, autocommit=True) as connection,
        Generator(plant.broker.url, rate, WARM_S + seconds + _SPARE_S) as generator,
    ):
        pids = {
            **sink.pids,
            "broker": plant.broker.pid,
            "postgres": plant.postgres.pid,
            "generator": generator.pid,
        }

        def look() -> tuple[float, int, dict[str, float]]:
            cpu_s = {name: tree_cpu_s(pid) for name, pid in pids.items()}
            cpu_s[_ALL] = machine_cpu_s()
            at_s = time.monotonic()
            row = connection.execute(sink.count.encode()).fetchone()
            return at_s, int(row[0]) // sink.rows if row else 0, cpu_s

        already = look()[1]
        time.sleep(WARM_S)
        first_s, first, cpu_before = look()
        time.sleep(max(0.0, first_s + seconds - time.monotonic()))
        last_s, last, cpu_after = look()
        books = generator.books()
        ended_s = time.monotonic()
        drained_s = None
        while drained_s is None:
            stored = look()[1] - already
            if stored >= books["acknowledged"] - sink.held_back:
                drained_s = time.monotonic() - ended_s
            elif time.monotonic() > ended_s + patience_s:
                break
            else:
                time.sleep(0.1)
    window_s = last_s - first_s
    done = last - first
    spent_s = {name: cpu_after[name] - before_s for name, before_s in cpu_before.items()}
    all_s = spent_s.pop(_ALL)
    return Steady(
        offered_per_s=rate,
        messages_per_s=round(done / window_s, 1),
        window_s=round(window_s, 2),
        keeps_up=done >= _KEEPS_SHARE * rate * window_s
        and drained_s is not None
        and drained_s < _KEEPS_S,
        drained_s=None if drained_s is None else round(drained_s, 2),
        acknowledged=books["acknowledged"],
        stored=stored,
        never_sent=books["unsent"],
        puback_p99_ms=books["puback_ms"]["p99"],
        cpu_us_per_message={
            name: round(used_s * 1e6 / max(done, 1), 1) for name, used_s in spent_s.items()
        },
        used_by_others=round(1 - sum(spent_s.values()) / all_s, 3),
    )
