"""``python -m deploy.local.stack run|up|down|status|clean``: the local stack's commands.

What only a start needs, such as the database's packages, is loaded by a start.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from deploy.local import leftovers, preflight
from deploy.local.places import Places, find_places, make_directories
from deploy.local.problem import StackError
from deploy.local.supervision import Supervisor, start_supervisor, write_configuration
from services.core.runtime.credentials import without_credentials
from services.core.runtime.output import ends_with_its_reader

_BEGAN = time.monotonic()


def _say(sentence: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:3.0f}s] {sentence}", flush=True)


def main() -> int:
    """Run one command; 0 if it did what it says, 1 with one sentence if not."""
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    parser.add_argument("command", choices=["run", "up", "down", "status", "clean"])
    command = parser.parse_args().command
    # SIGINT too: a shell that starts us in the background has it ignored
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        places = find_places()
        return {"run": _run, "up": _up, "down": _down, "status": _status, "clean": _clean}[command](
            places
        )
    except StackError as error:
        print(f"tonne: {without_credentials(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(places: Places) -> int:
    """Start all, stay in the foreground until Ctrl-C, stop all."""
    from deploy.local import startup  # noqa: PLC0415

    running = Supervisor(places)
    running.await_shutdown_under_way()
    if running.alive:
        _say(f"the local stack runs already, make down stops it: {places.addresses}")
        return 0
    try:
        with _start_lock(places):
            supervisor, process = _supervise(places, stay=False)
            startup.start_all(places, supervisor, _say)
        _say("Ctrl-C stops it")
        process.wait()
    except KeyboardInterrupt:
        _say("stopping")
        return _stop(places)
    except StackError:
        _stop(places)
        raise
    if process.returncode != 0:
        raise StackError(
            f"supervisord has ended (status {process.returncode}), and all it ran with it;"
            f" see {places.log_of('supervisord')}"
        )
    _say("stopped by make down")
    return 0


def _up(places: Places) -> int:
    """Start all in the background; ready when it returns."""
    from deploy.local import startup  # noqa: PLC0415

    supervisor = Supervisor(places)
    try:
        with _start_lock(places):
            supervisor.await_shutdown_under_way()
            if not supervisor.alive:
                supervisor, _ = _supervise(places, stay=True)
            startup.start_all(places, supervisor, _say)
    except (KeyboardInterrupt, StackError):
        _stop(places)
        raise
    return 0


def _supervise(places: Places, *, stay: bool) -> tuple[Supervisor, subprocess.Popen[bytes]]:
    from deploy.local import startup  # noqa: PLC0415
    from deploy.local.processes import processes  # noqa: PLC0415

    make_directories(places)
    for what in leftovers.end_leftovers(places):
        _say(f"ended {what}, left over from a start that was killed")
    preflight.check_disk(places)
    preflight.check_ports(places)
    cluster = startup.prepare_cluster(places, _say) if places.own_database else None
    write_configuration(places, processes(places, cluster))
    return start_supervisor(places, stay=stay)


@contextmanager
def _start_lock(places: Places) -> Iterator[None]:
    make_directories(places)
    with places.start_lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError("another start is under way; wait for it or stop it") from None
        yield


def _stop(places: Places) -> int:
    supervisor = Supervisor(places)
    supervisor.await_shutdown_under_way()
    if supervisor.alive:
        if supervisor.states()["simulator"]["statename"] == "RUNNING":
            from deploy.local import demo  # noqa: PLC0415

            demo.mark_history(places, datetime.now(UTC))
        supervisor.shut_down()
    leftovers.end_leftovers(places)
    return 0


def _down(places: Places) -> int:
    """Stop all."""
    ran = Supervisor(places).alive
    _stop(places)
    _say("stopped" if ran else "the local stack does not run")
    return 0


def _status(places: Places) -> int:
    """Print what runs; 0 when ready."""
    supervisor = Supervisor(places)
    if not supervisor.alive:
        print("the local stack does not run")
        return 1
    from deploy.local import startup  # noqa: PLC0415

    for name, info in supervisor.states().items():
        print(f"{name:<12} {info['statename']:<10} {info['description']}")
    reason = startup.unready(places)
    print(f"not ready: {reason}" if reason else f"ready: {places.addresses}")
    return 1 if reason else 0


def _clean(places: Places) -> int:
    """Stop all and delete the local stack's data."""
    _down(places)
    if places.postgres_dir.is_symlink():
        shutil.rmtree(places.postgres_dir.resolve(), ignore_errors=True)
    # only what is ours, by name: TONNE_LOCAL_DIR may hold other things
    ours = (
        places.postgres_dir,
        places.nats_dir,
        places.broker_dir,
        places.log_dir,
        places.logins_dir,
    )
    for directory in ours:
        if directory.is_symlink():
            directory.unlink()
        elif directory.exists():
            shutil.rmtree(directory)
    for file in (places.supervisor_config, places.history_mark, places.start_lock):
        file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    with ends_with_its_reader():
        sys.exit(main())
