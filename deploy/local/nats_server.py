"""One NATS server of our own: the command line and environment that run the shipped settings."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from deploy.local.problem import StackError

_SETTINGS = Path(__file__).parent.parent / "nats" / "tonne.conf"

#: Lets the server choose a free port.
ANY_PORT = -1


def server_command() -> list[str]:
    """Command line that runs the server in the foreground; it ends when its starter dies.

    :raises StackError: the program is not installed.
    """
    beside_python = Path(sys.executable).parent / "nats-server"
    program = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if program is None:
        raise StackError("nats-server is missing; run deploy/local/bootstrap.sh")
    return ["setpriv", "--pdeathsig", "TERM", "--", program, "-c", str(_SETTINGS)]


def server_environment(
    *, store_dir: Path, mqtt_port: int, client_port: int = ANY_PORT
) -> dict[str, str]:
    """Environment variables that the shipped settings ask for; listens on 127.0.0.1."""
    return {
        "NATS_LISTEN_HOST": "127.0.0.1",
        "NATS_MQTT_PORT": str(mqtt_port),
        "NATS_CLIENT_PORT": str(client_port),
        # a quoted string, so that a path may hold spaces
        "NATS_STORE_DIR": json.dumps(str(store_dir)),
    }
