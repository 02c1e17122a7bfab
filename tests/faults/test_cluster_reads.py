"""Whoever asks two APIs in turn notices an answer that is older than the one before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.faults.cluster_reads import Reader
from tests.patience import until


@contextmanager
def _api(seen: list[str | None]) -> Iterator[str]:
    """An API that shows a device as heard of at times, one after the other, then at the last."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            at = seen.pop(0) if len(seen) > 1 else seen[0]
            body = json.dumps([{"device": "pow1", "last_seen": at}]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_it_notices_what_goes_back() -> None:
    newer, older = "2026-11-23T18:00:01Z", "2026-11-23T18:00:00Z"
    with _api([None, older, newer]) as one, _api([None, older, newer, older]) as other:
        reader = Reader([one, other], "key", "linz")
        try:
            until(lambda: reader.went_back, "it is noticed")
            assert all(text.startswith(other) for text in reader.taken())
            assert set(reader.answers) == {200}
        finally:
            reader.close()


def test_what_rises_is_right() -> None:
    times = [None, *(f"2026-11-23T18:00:{second:02}Z" for second in range(10))]
    with _api(list(times)) as one, _api(list(times)) as other:
        reader = Reader([one, other], "key", "linz")
        try:
            until(lambda: reader.answers[200] > 2 * len(times), "both are asked")
            assert not reader.taken()
        finally:
            reader.close()
