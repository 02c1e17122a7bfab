"""What clients cost the API that open a stream and never read it.

Run by hand: ``python -m tests.bench.unread_streams``; writes ``.tonne/bench/unread_streams.json``.
One API process serves streams of one facility whose totals change as often as events are sent.
Measured are the memory of the process, the bytes that the system keeps of each stream on either
side, and when the API cuts it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from services.core.store.database import notify
from tests.bench.answers.store import Shape, build
from tests.bench.api import api, database
from tests.bench.streams import CHANGE
from tests.kernel_queues import queues_of
from tests.services import server_directory

#: Four events a second are the most that a stream sends.
_PAUSE_S = 0.25
_REQUEST = b"GET /v1/stream?facility=f0 HTTP/1.1\r\nHost: localhost\r\n\r\n"


def resident_kb(pid: int) -> int:
    """Memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError(pid)


def measure(url: str, directory: Path, *, streams: int, longest_s: float) -> dict[str, Any]:
    """Open streams and read none of them; return the figures."""
    with ExitStack() as ending:
        service = ending.enter_context(api(url, directory))
        connection = ending.enter_context(psycopg.connect(url, autocommit=True))

        def change(rounds: int) -> None:
            for _ in range(rounds):
                connection.execute(CHANGE, (["f0"], notify.LIVE))
                time.sleep(_PAUSE_S)

        def opened() -> socket.socket:
            made = ending.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            made.sendall(_REQUEST)
            return made

        reader = opened()
        change(8)
        received = reader.recv(1 << 20)
        if not received.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"unread_streams: {received[:500]!r}")
        event_bytes = len(received) // received.count(b"event: live")
        reader.close()
        before_kb = resident_kb(service.pid)
        began = time.monotonic()
        for _ in range(streams):
            opened()
        change(4)
        opened_kb = highest_kb = resident_kb(service.pid)
        most: list[int] = []
        cut_s = None
        while (passed_s := time.monotonic() - began) < longest_s:
            change(4)
            highest_kb = max(highest_kb, resident_kb(service.pid))
            now = [sum(queues) for queues in queues_of(service.port) if queues.received]
            most = max(most, now, key=sum)
            if most and len(now) < streams // 2:
                cut_s = round(passed_s, 1)
                break
    return {
        "streams": streams,
        "event_bytes": event_bytes,
        "opened_kb_each": round((opened_kb - before_kb) / streams, 1),
        "highest_kb_each": round((highest_kb - before_kb) / streams, 1),
        "system_kb_each": round(sum(most) / max(1, len(most)) / 1024, 1),
        "cut_after_s": cut_s,
    }


def main() -> None:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--longest-s", type=float, default=240)
    arguments = parser.parse_args()
    with ExitStack() as ending:
        url = ending.enter_context(database())
        build(url, Shape(facilities=2, days=2), datetime.now(UTC))
        figures = measure(
            url,
            ending.enter_context(server_directory()),
            streams=arguments.streams,
            longest_s=arguments.longest_s,
        )
    print(json.dumps(figures))
    out = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")) / "bench" / "unread_streams.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
