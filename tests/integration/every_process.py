"""Every process and command of tonne that speaks to a database, run side by side to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile

import pytest

from tests.forked import Forked
from tests.patience import PATIENCE_S
from tests.services import free_port

SERVICES = ("ingest", "aggregate", "notify", "api")
COMMANDS = ("migrate", "keys list", "quarantine list", "factors list", "alerts waiting", "verify")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a process said and how it ended; code None: it went on and was stopped."""

    command: str
    code: int | None
    said: str


def run(
    commands: Sequence[str],
    *,
    environment: Mapping[str, str],
    lines: int | None = None,
    enough: Callable[[], bool] | None = None,
) -> list[Ended]:
    """Run the commands at once; what runs on after so many lines, or once it is enough, is stopped.

    A test in which it is never enough fails.
    """
    ports = {
        f"TONNE_{name}_PORT": str(free_port())
        for name in ("API", "INGEST_METRICS", "AGGREGATOR_METRICS", "NOTIFY_METRICS")
    }
    ended = []
    with ExitStack() as stack:
        started = []
        for command in commands:
            output = stack.enter_context(TemporaryFile("w+"))
            process = Forked(
                command.split(),
                environment={**os.environ, **ports, **environment},
                stdout=output.fileno(),
            )
            stack.callback(process.kill)
            started.append((command, process, output))
        for command, process, output in started:
            stopped = False
            # each beyond those before it: all of them share a machine that may be busy
            deadline = time.monotonic() + PATIENCE_S
            while process.poll() is None:
                output.seek(0)
                done = lines is not None and output.read().count("\n") >= lines
                done = done or (enough is not None and enough())
                late = time.monotonic() > deadline
                if late and enough is not None:
                    output.seek(0)
                    pytest.fail(f"{command} never does what it should: {output.read()}")
                if done or late:
                    stopped = True
                    process.terminate()
                    process.wait(PATIENCE_S)
                else:
                    time.sleep(0.1)
            output.seek(0)
            code = None if stopped else process.returncode
            ended.append(Ended(command=command, code=code, said=output.read()))
    return ended
