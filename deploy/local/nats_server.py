"""One NATS server of our own: its settings and accounts, command line and environment.

It listens on 127.0.0.1 and lets any MQTT client in, as ``anybody``, who reaches nothing of the
server itself. tonne's processes have accounts of their own, with passwords made here.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from deploy.local.problem import StackError
from services.cli.device_accounts import ANYBODY, INGEST, NOTIFY, for_nats, own_accounts

_SETTINGS = Path(__file__).parent.parent / "nats" / "tonne.conf"
_WITHOUT_TLS = _SETTINGS.with_name("mqtt-tls.conf")

#: Lets the server choose a free port.
ANY_PORT = -1


@dataclass(frozen=True, kw_only=True)
class Passwords:
    """Of the accounts at a server of our own."""

    ingest: str = field(repr=False)
    notify: str = field(repr=False)
    #: asked of nobody: NATS wants one all the same
    anybody: str = field(repr=False)

    def ingest_at(self, scheme: str, port: int) -> str:
        """URL of the broker for ingest."""
        return f"{scheme}://{INGEST}:{quote(self.ingest)}@127.0.0.1:{port}"

    def notify_at(self, port: int) -> str:
        """URL of the broker for the notifier."""
        return f"mqtt://{NOTIFY}:{quote(self.notify)}@127.0.0.1:{port}"


def prepare(directory: Path) -> Passwords:
    """Write the shipped settings and the accounts into a directory, where they are not yet.

    :raises OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "broker-passwords.json"
    if kept.exists():
        passwords = Passwords(**json.loads(kept.read_text(encoding="utf-8")))
    else:
        passwords = Passwords(
            ingest=secrets.token_urlsafe(24),
            notify=secrets.token_urlsafe(24),
            anybody=secrets.token_urlsafe(24),
        )
    of = {INGEST: passwords.ingest, NOTIFY: passwords.notify}
    accounts = [replace(account, password=of[account.user]) for account in own_accounts()]
    texts = for_nats(accounts, anybody=passwords.anybody)
    for shipped in (_SETTINGS, _WITHOUT_TLS):
        texts[shipped.name] = shipped.read_text(encoding="utf-8")
    texts[kept.name] = json.dumps(asdict(passwords))
    for name, text in texts.items():
        path = directory / name
        # of its owner alone, from the first byte on
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return passwords


def server_command(directory: Path) -> list[str]:
    """Command line that runs the server in the foreground; it ends when its starter dies.

    ``directory`` holds what :func:`prepare` wrote.

    :raises StackError: the program is not installed.
    """
    beside_python = Path(sys.executable).parent / "nats-server"
    program = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if program is None:
        raise StackError("nats-server is missing; run deploy/local/bootstrap.sh")
    settings = str(directory / _SETTINGS.name)
    return ["setpriv", "--pdeathsig", "TERM", "--", program, "-c", settings]


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
        "NATS_ANYBODY": json.dumps(ANYBODY),
    }
