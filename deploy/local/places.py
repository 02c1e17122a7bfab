"""Where the local stack keeps things, and the environment that its processes get."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local import postgres_server
from deploy.local.problem import StackError
from services.core.runtime.credentials import without_credentials
from services.core.runtime.settings import Settings, SettingsError, load, local_database

REPOSITORY = Path(__file__).parent.parent.parent

#: Variables with the broker's URL of the processes that have accounts of their own there.
INGEST_BROKER = "LOCAL_INGEST_BROKER"
NOTIFY_BROKER = "LOCAL_NOTIFY_BROKER"

#: Where the cluster goes when PostgreSQL's user cannot walk down to the local directory.
_ELSEWHERE = Path("/var/lib/tonne-local")

#: A Unix socket's path may have 107 bytes, and supervisor adds a suffix while it binds.
_LONGEST_SOCKET_PATH = 90


@dataclass(frozen=True, kw_only=True)
class Places:
    """Paths, ports and settings of one local stack.

    A database or broker that the user names is not ours to start: ``own_database`` and
    ``own_broker`` say so.
    """

    local_dir: Path
    settings: Settings
    own_database: bool
    own_broker: bool

    @property
    def log_dir(self) -> Path:
        """One log file for each process."""
        return self.local_dir / "log"

    @property
    def nats_dir(self) -> Path:
        """The broker's messages and sessions."""
        return self.local_dir / "nats"

    @property
    def broker_dir(self) -> Path:
        """The broker's settings, and the passwords of its accounts."""
        return self.local_dir / "broker"

    @property
    def postgres_dir(self) -> Path:
        """The database cluster, or a link to it."""
        return self.local_dir / "postgres"

    @property
    def logins_dir(self) -> Path:
        """Passwords of the database's logins, each for its process."""
        return self.local_dir / "logins"

    @property
    def supervisor_config(self) -> Path:
        """What supervisord is started with."""
        return self.local_dir / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord takes orders."""
        return self.local_dir / "supervisor.sock"

    @property
    def history_mark(self) -> Path:
        """Holds the time up to which the demo's history was published; missing before that."""
        return self.local_dir / "backfilled"

    @property
    def start_lock(self) -> Path:
        """Held while a start is under way."""
        return self.local_dir / "start.lock"

    @property
    def api_url(self) -> str:
        """The dashboard's address."""
        return f"http://127.0.0.1:{self.settings.api_port}"

    @property
    def addresses(self) -> str:
        """Where people and devices reach what runs: what a start ends with."""
        broker = without_credentials(self.settings.mqtt)
        return f"{self.api_url} (documentation: {self.api_url}/docs/, devices: {broker})"

    def log_of(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.log_dir / f"{process}.log"

    @property
    def owner_url(self) -> str:
        """URL of the database with the login that owns it. No process gets it: each has its own."""
        if not self.own_database:
            return self.settings.database
        return local_database(postgres_server.SUPERUSER, self.settings.db_port, self.logins_dir)

    def environment(self) -> dict[str, str]:
        """Environment of every process: the user's, and the local stack's where that is silent."""
        settings = self.settings
        environment = {
            "TONNE_MQTT_URL": settings.mqtt,
            "TONNE_API_AUTH": "off",
            "TONNE_API_HOST": "127.0.0.1",
            "TONNE_WEBHOOK_PRIVATE": "allow",
            # ingest has an account here, which unknown devices are not looked for with
            **({"TONNE_DISCOVERY_URL": settings.mqtt} if self.own_broker else {}),
            **({"TONNE_SPARKPLUG_URL": settings.mqtt} if self.own_broker else {}),
            **os.environ,
            "TONNE_LOCAL_DIR": str(self.local_dir),
        }
        if self.own_broker:
            # loads what makes the broker's accounts; only a start needs it
            from deploy.local import nats_server  # noqa: PLC0415

            environment |= nats_server.server_environment(
                store_dir=self.nats_dir, mqtt_port=settings.mqtt_port
            )
            passwords = nats_server.prepare(self.broker_dir)
            # any other client speaks to the local broker without credentials
            environment |= {
                INGEST_BROKER: passwords.ingest_at("mqtt", settings.mqtt_port),
                NOTIFY_BROKER: passwords.notify_at(settings.mqtt_port),
            }
        return environment


def find_places() -> Places:
    """Read the settings.

    :raises StackError: a TONNE_* variable is wrong, or the directory's path is too long.
    """
    try:
        settings = load()
    except SettingsError as error:
        raise StackError(str(error)) from None
    places = Places(
        local_dir=(REPOSITORY / settings.local_dir).resolve(),
        settings=settings,
        own_database=settings.database_url is None,
        own_broker=settings.mqtt_url is None,
    )
    if len(os.fsencode(places.supervisor_socket)) > _LONGEST_SOCKET_PATH:
        raise StackError(
            f"the path of {places.local_dir} is too long; set TONNE_LOCAL_DIR to a shorter one"
        )
    return places


def make_directories(places: Places) -> None:
    """Make the directories that are missing.

    :raises StackError: one cannot be made.
    """
    try:
        for directory in (places.local_dir, places.log_dir, places.nats_dir, places.broker_dir):
            directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"{places.local_dir} cannot be written ({error.strerror});"
            " set TONNE_LOCAL_DIR to a directory that can"
        ) from None


def place_cluster(places: Places) -> Path:
    """Return the directory for the database cluster, reachable for PostgreSQL's user.

    Below a directory that only root may enter, the cluster is kept in a system directory and
    ``postgres_dir`` is a link to it.
    """
    link = places.postgres_dir
    if link.is_symlink():
        return link.resolve()
    if link.exists() or postgres_server.server_user_reaches(places.local_dir):
        return link
    name = hashlib.sha256(os.fsencode(places.local_dir)).hexdigest()[:16]
    _ELSEWHERE.mkdir(mode=0o755, exist_ok=True)
    link.symlink_to(_ELSEWHERE / name)
    return _ELSEWHERE / name


def program(name: str) -> str:
    """Path of a program of the virtual environment."""
    return str(Path(sys.executable).parent / name)
