"""The workers: who reads which file, in turn, and what they say of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from services.core.runtime import metrics
from services.ingest.uploads.job import Job, Note, Progress

#: Workers at once, one for each facility at most: a processor and a bounded memory each.
_AT_ONCE: Final = 2

#: How long a worker may take to finish the piece in hand when it is to stop.
_STOPS_IN_S: Final = 20.0

_log: Final = structlog.get_logger()

#: Hears what a worker says, by the upload's id; None: it ended without a word.
Hear = Callable[[str, Note | None], None]


class Runs:
    """Lets files be read, some at once, those of one facility one after the other."""

    def __init__(self, hear: Hear) -> None:
        """``hear``: called on threads of its own, by which nothing of this is held."""
        self._hear = hear
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._running: dict[str, tuple[Job, subprocess.Popen[bytes] | None]] = {}
        self._threads: dict[str, threading.Thread] = {}
        #: uploads whose process ends as soon as it has begun
        self._unwanted: set[str] = set()
        self._closing = False

    def add(self, job: Job) -> None:
        """Let a file be read when it is its turn."""
        with self._lock:
            self._waiting.append(job)
            self._start_next()

    def stop(self, upload_id: str) -> None:
        """Let a run end after the piece in hand, and forget one that waits; returns when it has."""
        with self._lock:
            self._waiting = deque(job for job in self._waiting if job.upload != upload_id)
            _, process = self._running.get(upload_id, (None, None))
            thread = self._threads.get(upload_id)
            if thread is not None and process is None:
                self._unwanted.add(upload_id)
        if process is not None:
            _stop(process)
        if thread is not None:
            thread.join()

    def close(self) -> None:
        """Let all runs end after the piece in hand."""
        with self._lock:
            self._closing = True
            self._waiting.clear()
            processes = [process for _, process in self._running.values() if process is not None]
            threads = list(self._threads.values())
        for process in processes:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in processes:
            _stop(process)
        for thread in threads:
            thread.join()

    def _start_next(self) -> None:
        """Start what may be; the lock is held."""
        if self._closing:
            return
        busy = {job.facility for job, _ in self._running.values()}
        for job in list(self._waiting):
            if len(self._running) >= _AT_ONCE:
                return
            if job.facility in busy:
                continue
            busy.add(job.facility)
            self._waiting.remove(job)
            self._running[job.upload] = (job, None)
            thread = threading.Thread(target=self._run, args=(job,), name="upload", daemon=True)
            self._threads[job.upload] = thread
            thread.start()

    def _run(self, job: Job) -> None:
        last: Note | None = None
        try:
            last = self._watched(job)
        except OSError:
            _log.exception("a file cannot be read: no process could be started")
        outcome = "none" if last is None else str(last.__struct_config__.tag)
        metrics.ingest_uploads.labels(job.holds, "trial" if job.is_trial else outcome).inc()
        try:
            self._hear(job.upload, last)
        finally:
            with self._lock:
                self._running.pop(job.upload, None)
                self._threads.pop(job.upload, None)
                self._unwanted.discard(job.upload)
                self._start_next()

    def _watched(self, job: Job) -> Note | None:
        """Let a worker do a job; return its last word."""
        environment = {name: v for name, v in os.environ.items() if name != "NOTIFY_SOCKET"}
        with subprocess.Popen(
            [sys.executable, "-m", "services.ingest.uploads.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        ) as process:
            assert process.stdin is not None  # noqa: S101 - they are pipes
            assert process.stdout is not None  # noqa: S101
            with self._lock:
                self._running[job.upload] = (job, process)
                is_late = self._closing or job.upload in self._unwanted
            with contextlib.suppress(OSError):
                process.stdin.write(msgspec.json.encode(job) + b"\n")
                process.stdin.flush()
                if is_late:
                    process.stdin.close()
            last: Note | None = None
            for line in process.stdout:
                try:
                    note: Note = msgspec.json.decode(line, type=Note)
                except msgspec.DecodeError:
                    # it was killed in the midst of a word
                    break
                if isinstance(note, Progress):
                    self._hear(job.upload, note)
                else:
                    last = note
        return last


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let a worker end; one that does not is killed, and what it did not store is not there."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(_STOPS_IN_S)
    except subprocess.TimeoutExpired:
        process.kill()
