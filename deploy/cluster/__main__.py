"""``make cluster``: start many machines on this one, look after them, and stop by itself."""

from __future__ import annotations

import argparse
import secrets
import signal
import socket
import sys
import time
from typing import Final

from deploy.cluster import namespaces, parts
from deploy.cluster.cluster import Cluster
from deploy.cluster.front import Front
from deploy.local.places import REPOSITORY
from deploy.local.problem import StackError
from services.core.runtime.settings import Settings, load

_LOGS: Final = REPOSITORY / ".tonne" / "cluster"
_LOOK_S: Final = 0.5
_DEMO: Final = REPOSITORY / "deploy" / "demo" / "linz.yaml"


def main() -> int:
    """Start everything, here or in namespaces of our own; 0 after a stop that was asked for."""
    parser = argparse.ArgumentParser(prog="make cluster")
    parser.add_argument(
        "--minutes", type=float, default=60, help="it stops by itself after so long"
    )
    parser.add_argument("--api", type=int, default=None, help="open file that listens for people")
    parser.add_argument("--mqtt", type=int, default=None, help="open file that listens for devices")
    given = parser.parse_args()
    try:
        if not namespaces.inside():
            return _enter(given.minutes, load())
        return _run(
            given.minutes, socket.socket(fileno=given.api), socket.socket(fileno=given.mqtt)
        )
    except StackError as error:
        _say(str(error))
        return 1


def _enter(minutes: float, settings: Settings) -> int:
    """Go on in namespaces of our own, with what listens outside of them."""
    api, mqtt = (_listening(port) for port in (settings.api_port, settings.mqtt_port))
    words = [sys.executable, "-m", "deploy.cluster", f"--minutes={minutes}"]
    words += [f"--api={api.fileno()}", f"--mqtt={mqtt.fileno()}"]
    return namespaces.run_inside(words, keep=[api.fileno(), mqtt.fileno()])


def _listening(port: int) -> socket.socket:
    listens = socket.socket()
    listens.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listens.bind(("127.0.0.1", port))
    except OSError as error:
        raise StackError(
            f"port {port} cannot be used ({error.strerror}); set TONNE_API_PORT and"
            " TONNE_MQTT_PORT to free ports"
        ) from None
    listens.listen()
    return listens


def _run(minutes: float, api: socket.socket, mqtt: socket.socket) -> int:
    until = time.monotonic() + minutes * 60
    namespaces.prepare()
    cluster = Cluster(namespaces.SCRATCH, _LOGS)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    fronts: list[Front] = []
    try:
        _say("starting three machines that store and two that work; it takes about a minute")
        cluster.start(lambda: cluster.tonne("apply", str(_DEMO)))
        password = secrets.token_urlsafe(12)
        cluster.tonne("users", "create", "admin", "--role", "admin", "--password-stdin",
                      given=password)  # fmt: skip
        fronts += [
            Front(api, [(machine.address, parts.API_PORT) for machine in cluster.working]),
            Front(mqtt, [(machine.address, parts.MQTT_PORT) for machine in cluster.storing]),
        ]
        _say(
            f"dashboard: http://127.0.0.1:{fronts[0].port}  admin, password {password}\n"
            f"devices:   mqtt://127.0.0.1:{fronts[1].port}\n"
            f"logs:      {_LOGS.relative_to(REPOSITORY)}\n"
            f"it stops by itself in {minutes:.0f} minutes, and with Ctrl-C"
        )
        _look_after(cluster, until)
    except KeyboardInterrupt:
        _say("stopping")
    finally:
        for front in fronts:
            front.close()
        cluster.stop()
    return 0


def _look_after(cluster: Cluster, until: float) -> None:
    """Start again what ends, and say who is the primary when that changes."""
    primary = None
    while time.monotonic() < until:
        for program in cluster.revive():
            _say(f"{program} had ended and is started again")
        now = cluster.primary()
        if now is not None and now is not primary:
            primary = now
            _say(f"the primary database is on {now.name}")
        time.sleep(_LOOK_S)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
