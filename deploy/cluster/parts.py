"""The programs of each machine, with their settings.

Three machines store: each has a member of etcd and a NATS server, and two of them a database under
Patroni. Two machines work: each has an ingest, an aggregator, an API and a notifier.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from deploy.cluster import namespaces
from deploy.cluster.machine import SUBNET, Machine, Program
from deploy.local import nats_server, postgres_server
from deploy.local.postgres_server import SUPERUSER
from services.cli.device_accounts import INGEST, NOTIFY

ETCD_PORT: Final = 2379
DATABASE_PORT: Final = 5432
PATRONI_PORT: Final = 8008
NATS_PORT: Final = 4222
MQTT_PORT: Final = 1883
#: Where a NATS server says how it is.
MONITOR_PORT: Final = 8222
API_PORT: Final = 8000
_ROUTES_PORT: Final = 6222

DATABASE: Final = "tonne"
SCOPE: Final = "tonne"

#: The tonne command's processes that run on each machine that works.
SERVICES: Final = ("ingest", "aggregate", "notify", "api")

_SHIPPED: Final = Path(__file__).parent.parent
_ETCD: Final = "/usr/bin/etcd"
#: The system's own, which the server's user may run.
_PYTHON: Final = "/usr/bin/python3"

#: Seconds after which a primary that renews nothing may be replaced, between two looks, and that a
#: call may take. 10 s are little: enough where machines are near each other, and not overloaded.
_TTL_S: Final = 10
_LOOK_S: Final = 1
_RETRY_S: Final = 3

#: Seconds that a database which is to stop may take.
_STOP_S: Final = 3


@dataclass(frozen=True, kw_only=True)
class Places:
    """Addresses that everybody needs."""

    storing: Sequence[Machine]
    databases: Sequence[Machine]
    passwords: nats_server.Passwords

    @property
    def database_url(self) -> str:
        """Of the primary, whichever machine that is on."""
        return f"{self._databases}?target_session_attrs=read-write"

    @property
    def reads_url(self) -> str:
        """Of the standby, which APIs read from where it has what the primary shows."""
        return f"{self._databases}?target_session_attrs=standby"

    @property
    def _databases(self) -> str:
        hosts = ",".join(f"{machine.address}:{DATABASE_PORT}" for machine in self.databases)
        return f"postgresql://{SUPERUSER}@{hosts}/{DATABASE}"

    def broker_url(self, scheme: str, user: str, *, at: Sequence[Machine] = ()) -> str:
        """Of the NATS servers, or of some of them, for an account of tonne's."""
        password = {INGEST: self.passwords.ingest, NOTIFY: self.passwords.notify}[user]
        port = NATS_PORT if scheme == "nats" else MQTT_PORT
        hosts = ",".join(f"{machine.address}:{port}" for machine in at or self.storing)
        return f"{scheme}://{user}:{quote(password)}@{hosts}"


def etcd(machine: Machine, members: Sequence[Machine], log_dir: Path) -> Program:
    """Make a member of etcd, in which Patroni agrees on who is the primary."""
    peers = ",".join(f"{member.name}=http://{member.address}:2380" for member in members)
    clients = f"http://{machine.address}:{ETCD_PORT}"
    return Program(
        machine,
        "etcd",
        [
            _ETCD,
            f"--name={machine.name}",
            f"--data-dir={machine.directory / 'etcd'}",
            f"--listen-peer-urls=http://{machine.address}:2380",
            f"--initial-advertise-peer-urls=http://{machine.address}:2380",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--initial-cluster={peers}",
            "--initial-cluster-state=new",
            "--heartbeat-interval=200",
            "--election-timeout=2000",
        ],
        log_dir=log_dir,
    )


def patroni_packages(directory: Path) -> Path:
    """Copy Patroni to where PostgreSQL's user, who may not enter ours, can read it.

    All machines run this one copy, which no user of theirs may write to.
    """
    packages = directory / "patroni"
    shutil.copytree(namespaces.PATRONI, packages)
    return packages


def patroni(machine: Machine, members: Sequence[Machine], log_dir: Path, packages: Path) -> Program:
    """Make a database that is primary or standby, as its Patroni has agreed with the other one.

    ``packages``: what :func:`patroni_packages` returned.
    """
    home = machine.directory / "database"
    machine.directory.chmod(0o755)
    postgres_server.give_to_server_user(home)
    shipped = home / "tonne.conf"
    shipped.write_text((_SHIPPED / "postgres" / "tonne.conf").read_text(encoding="utf-8"))
    shipped.chmod(0o644)
    watch = home / "patroni_watch.py"
    watch.write_bytes((Path(__file__).parent / "patroni_watch.py").read_bytes())
    watch.chmod(0o644)
    settings = home / "patroni.yaml"
    settings.write_text(json.dumps(patroni_settings(machine, members, home)))
    settings.chmod(0o644)
    return Program(
        machine,
        "patroni",
        [
            *postgres_server.as_server_user(),
            _PYTHON,
            str(watch),
            f"http://{machine.address}:{PATRONI_PORT}",
            _PYTHON,
            "-m",
            "patroni",
            str(settings),
        ],
        log_dir=log_dir,
        environment={"HOME": str(home), "PYTHONPATH": str(packages)},
    )


def data_dir(machine: Machine) -> Path:
    """Where a machine's database is."""
    return machine.directory / "database" / "data"


def patroni_settings(machine: Machine, members: Sequence[Machine], home: Path) -> dict[str, Any]:
    """Return what Patroni is told on a machine; the documentation has the same for real ones."""
    own = f"{machine.address}:{DATABASE_PORT}"
    # the network is of the cluster alone
    trusted = [f"host {what} all {SUBNET} trust" for what in ("all", "replication")]
    login = {"username": SUPERUSER}
    return {
        "scope": SCOPE,
        "name": machine.name,
        "restapi": {
            "listen": f"{machine.address}:{PATRONI_PORT}",
            "connect_address": f"{machine.address}:{PATRONI_PORT}",
        },
        "etcd3": {"hosts": [f"{member.address}:{ETCD_PORT}" for member in members]},
        "bootstrap": {
            "dcs": {
                "ttl": _TTL_S,
                "loop_wait": _LOOK_S,
                "retry_timeout": _RETRY_S,
                # a primary that crashed is replaced, and not waited for
                "primary_start_timeout": 0,
                # nor is one that does not stop: a backend that leaves drops its temporary tables,
                # and that commit waits for a standby which may be the one that is away
                "primary_stop_timeout": _STOP_S,
                # what was committed is on both, and only who has it all may become the primary
                "synchronous_mode": True,
                "postgresql": {
                    "use_pg_rewind": True,
                    "use_slots": True,
                    "parameters": {
                        "max_connections": 200,
                        "wal_keep_size": "256MB",
                        # what APIs read there is not taken away from under them
                        "hot_standby_feedback": "on",
                    },
                },
            },
            "initdb": [
                {"encoding": "UTF8"},
                {"locale": "C.UTF-8"},
                "data-checksums",
                {"username": SUPERUSER},
                {"auth": "trust"},
            ],
        },
        "postgresql": {
            "listen": own,
            "connect_address": own,
            "data_dir": str(data_dir(machine)),
            "bin_dir": str(postgres_server.find_programs().bin_dir),
            "custom_conf": str(home / "tonne.conf"),
            "pgpass": str(home / "pgpass"),
            "pg_hba": trusted,
            "authentication": {"superuser": login, "replication": login, "rewind": login},
            "parameters": {"unix_socket_directories": ""},
            # what another primary never had cannot be kept
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
        "watchdog": {"mode": "off"},
    }


def nats(
    machine: Machine, members: Sequence[Machine], log_dir: Path, accounts: Path, password: str
) -> Program:
    """Make a NATS server of the shipped settings.

    ``accounts``: what :func:`nats_server.prepare` made, for all servers.
    """
    home = machine.directory / "nats"
    home.mkdir()
    for file in accounts.iterdir():
        (home / file.name).write_bytes(file.read_bytes())
    (home / "cluster.conf").write_bytes((_SHIPPED / "nats" / "cluster.conf").read_bytes())
    routes = [f"nats://cluster:{password}@{m.address}:{_ROUTES_PORT}" for m in members]
    (home / "cluster-routes.conf").write_text(
        f"routes: {json.dumps(routes)}\n"
        f"authorization {{ user: cluster, password: {json.dumps(password)} }}\n"
    )
    *program, _ = nats_server.server_command(home)
    environment = nats_server.server_environment(
        store_dir=home / "store", mqtt_port=MQTT_PORT, client_port=NATS_PORT
    )
    return Program(
        machine,
        "nats",
        [*program[program.index("--") + 1 :], str(home / "cluster.conf"), "-m", str(MONITOR_PORT)],
        log_dir=log_dir,
        environment=environment
        | {
            "NATS_LISTEN_HOST": json.dumps(machine.address),
            "NATS_SERVER_NAME": machine.name,
            "NATS_CLUSTER_PORT": str(_ROUTES_PORT),
        },
    )


def service(machine: Machine, word: str, places: Places, log_dir: Path) -> Program:
    """One of tonne's processes, which finds database and broker wherever they are just now."""
    broker = (
        places.broker_url("nats", INGEST) if word == "ingest" else places.broker_url("mqtt", NOTIFY)
    )
    return Program(
        machine,
        word,
        [str(Path(sys.executable).with_name("tonne")), word],
        log_dir=log_dir,
        environment={
            "TONNE_DATABASE_URL": places.database_url,
            **({"TONNE_API_READS_URL": places.reads_url} if word == "api" else {}),
            "TONNE_MQTT_URL": broker,
            "TONNE_LOCAL_DIR": str(machine.directory),
            "TONNE_READINGS_SOCKET": str(machine.directory / "readings.sock"),
            "TONNE_API_HOST": machine.address,
            "TONNE_API_PORT": str(API_PORT),
        },
    )


def without_settings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the variables that would be settings of another stack of tonne."""
    return [name for name in environment if name.startswith("TONNE_")]


def route_password() -> str:
    """Return what NATS servers know each other by."""
    return secrets.token_hex(16)
