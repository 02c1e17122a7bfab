"""Who alerts are told to, for tests: a webhook that keeps what it gets, and fails as it is told."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    raw: bytes
    #: what it was answered
    status: int

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(kw_only=True)
class Webhook:
    """A receiver on this machine, on a port of its own."""

    #: of the next requests, one each; then it is 204
    answers: list[int] = field(default_factory=list)
    #: sent along with every answer
    headers: dict[str, str] = field(default_factory=dict)
    #: the body of every answer
    said: bytes = b""
    requests: list[Request] = field(default_factory=list)
    #: cleared: it takes a request in and does not answer
    answering: threading.Event = field(default_factory=threading.Event)
    #: how many it has not answered yet
    held: int = 0

    def __post_init__(self) -> None:
        self.answering.set()

    @property
    def taken(self) -> list[Any]:
        """The bodies of what was answered with 2xx."""
        return [r.body for r in self.requests if 200 <= r.status < 300]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Webhook:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                hook.held += 1
                hook.answering.wait()
                hook.held -= 1
                status = hook.answers.pop(0) if hook.answers else 204
                headers = {name.lower(): value for name, value in self.headers.items()}
                hook.requests.append(
                    Request(path=self.path, headers=headers, raw=raw, status=status)
                )
                self.send_response(status)
                for name, value in hook.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(hook.said)))
                self.end_headers()
                self.wfile.write(hook.said)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                """A notifier that is killed hangs up: nothing to report."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
