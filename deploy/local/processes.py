"""The processes of the local stack, in the order in which they start; they stop in reverse."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import nats_server, postgres_server
from deploy.local.places import INGEST_BROKER, NOTIFY_BROKER, Places, program

_BROKER_OF = {"ingest": INGEST_BROKER, "notifier": NOTIFY_BROKER}


@dataclass(frozen=True, kw_only=True)
class Process:
    """One program that supervisord runs."""

    name: str
    command: list[str]
    stop_signal: str = "TERM"
    #: seconds before it is killed: the simulator waits 30 s for its last acknowledgements
    stop_wait_s: int = 40
    #: variable of its own -> variable of all that holds its value
    environment: dict[str, str] = field(default_factory=dict)


def processes(places: Places, cluster: Path | None) -> list[Process]:
    """Every process of this stack.

    :param cluster: directory of the database; None: the database is the user's own.
    """
    found = []
    if cluster is not None:
        command = postgres_server.server_command(
            postgres_server.find_programs(), cluster, places.settings.db_port, passwords=True
        )
        # INT: disconnect everybody, write a checkpoint
        found.append(Process(name="postgres", command=command, stop_signal="INT"))
    if places.own_broker:
        found.append(Process(name="nats", command=nats_server.server_command(places.broker_dir)))
    for name, words in (
        ("ingest", ["tonne", "ingest"]),
        ("aggregator", ["tonne", "aggregate"]),
        ("notifier", ["tonne", "notify"]),
        ("api", ["tonne", "api"]),
        ("simulator", ["tonne-sim", "run", "--profile", "demo", "--drain", "5"]),
    ):
        url = _BROKER_OF.get(name) if places.own_broker else None
        found.append(
            Process(
                name=name,
                command=ending_with_starter(words),
                environment={} if url is None else {"TONNE_MQTT_URL": url},
            )
        )
    if places.own_broker:
        command = ["setpriv", "--pdeathsig", "TERM", "--", program("python")]
        command += ["-m", "deploy.local.broker_watch"]
        found.append(Process(name="broker-watch", command=command))
    return found


def ending_with_starter(words: list[str]) -> list[str]:
    """Command line of one of tonne's own programs, told to stop when its starter dies."""
    name, *arguments = words
    return ["setpriv", "--pdeathsig", "TERM", "--", program(name), *arguments]
