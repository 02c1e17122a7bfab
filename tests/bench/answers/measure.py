"""Questions asked one after the other, and many a second."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.bench.answers.client import Connection
from tests.bench.answers.questions import Question

#: asked before anything is measured: the caches of a store that somebody looks at are warm
WARM_UP = 5
CONNECTIONS = 50


def percentile(sorted_s: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return round(1e3 * sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * share))], 1)


async def one_by_one(port: int, question: Question, *, times: int, runs: int) -> dict[str, Any]:
    """Ask ``times`` in each run; return the medians over the runs."""
    connection = Connection(port=port)
    paths = itertools.cycle(question.paths)
    headers = {"Accept": question.accept}
    size = 0
    for _ in range(WARM_UP):
        answer = await connection.get(next(paths), headers=headers)
        if answer.status != 200:
            raise SystemExit(f"{question.name}: {answer.status} {answer.body[:300]!r}")
        size = len(answer.body)
    medians, high = [], []
    for _ in range(runs):
        took = sorted(
            [(await connection.get(next(paths), headers=headers)).took_s for _ in range(times)]
        )
        medians.append(percentile(took, 0.5))
        high.append(percentile(took, 0.95))
    connection.close()
    return {
        "asked_ms": question.asked_ms,
        "p50_ms": statistics.median(medians),
        "p95_ms": statistics.median(high),
        "bytes": size,
        "times": times * runs,
    }


async def many_a_second(
    port: int, asked: Iterator[tuple[str, str]], *, rate: int, seconds: int, conditional: bool
) -> dict[str, Any]:
    """Ask at a fixed pace; a latency counts from when a question was due.

    ``conditional``: whoever asks the same again sends the validator of the answer before.
    """
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        free.put_nowait(Connection(port=port))
    took: list[float] = []
    statuses: Counter[int] = Counter()
    tags: dict[str, str] = {}

    async def ask(path: str, due_s: float) -> None:
        connection = await free.get()
        headers = {"If-None-Match": tags[path]} if conditional and path in tags else {}
        answer = await connection.get(path, due_s=due_s, headers=headers)
        free.put_nowait(connection)
        took.append(answer.took_s)
        statuses[answer.status] += 1
        if tag := answer.headers.get("etag"):
            tags[path] = tag

    begin_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(rate * seconds):
            due_s = begin_s + number / rate
            if (left_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(left_s)
            group.create_task(ask(next(asked)[1], due_s))
    while not free.empty():
        free.get_nowait().close()
    took.sort()
    return {
        "rate": rate,
        "seconds": seconds,
        "p50_ms": percentile(took, 0.5),
        "p95_ms": percentile(took, 0.95),
        "p99_ms": percentile(took, 0.99),
        "max_ms": percentile(took, 1.0),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
    }
