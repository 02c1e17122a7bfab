"""What else takes messages from MQTT into PostgreSQL, on the same load, where it installs.

Each is installed from its registry into a scratch folder below ``.tonne/bench/peers``, and stores a
row a message into a table without a key.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.bench.throughput.plant import Plant
from tests.bench.throughput.sinks import Sink, await_first
from tests.services import free_port

_HERE = Path(__file__).parent
_INSTALL_S = 300

_TABLE = "CREATE TABLE peer (topic text, ts timestamptz, energy float8, power float8)"
_COUNT = "SELECT count(*) FROM peer"

_STORE = """
const reading = JSON.parse(msg.payload), values = Object.values(reading.values);
const row = [msg.topic, new Date(reading.ts), values[0], values[1]];
context.pool.query("INSERT INTO peer (topic, ts, energy, power) VALUES ($1, $2, $3, $4)", row)
  .catch(error => node.error(error.message));
"""
_OPEN = 'context.pool = new (global.get("pg").Pool)({connectionString: env.get("BENCH_DATABASE")});'


class NotHereError(Exception):
    """The peer cannot be installed on this machine."""


@contextmanager
def plain(plant: Plant) -> Iterator[Sink]:
    """A script of paho and one INSERT for each message, in the environment of tonne."""
    _make_table(plant)
    script = str(_HERE / "peer_plain.py")
    command = [sys.executable, script, str(plant.broker.port), plant.database]
    with _running("plain", command, plant) as sink:
        yield sink


@contextmanager
def node_red(plant: Plant) -> Iterator[Sink]:
    """Node-RED: an MQTT node, and a function node with the ``pg`` client, pooled as by default."""
    folder = _folder("node-red")
    program = folder / "node_modules" / "node-red" / "red.js"
    if not program.exists():
        if shutil.which("npm") is None:
            raise NotHereError("npm is not there")
        _install(
            ["npm", "i", "--no-audit", "--no-fund", "--no-package-lock", "node-red", "pg"], folder
        )
    _make_table(plant)
    user = plant.directory / "node-red"
    user.mkdir()
    (user / "flow.json").write_text(json.dumps(_flow(plant.broker.port)))
    shutil.copy(_HERE / "peer_node_red.js", folder / "settings.js")
    command = ["node", str(program), "-u", str(user), "-s", str(folder / "settings.js")]
    environment = {
        "BENCH_FLOW": str(user / "flow.json"),
        "BENCH_UI_PORT": str(free_port()),
        "BENCH_DATABASE": plant.database,
    }
    with _running("node-red", command, plant, environment) as sink:
        yield sink


@contextmanager
def pathway(plant: Plant) -> Iterator[Sink]:
    """Pathway's own connectors, with its default interval of 1.5 s between commits."""
    folder = _folder("pathway")
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True)
        _install([str(python), "-m", "pip", "install", "--quiet", "pathway"], folder)
        (folder / "installed").touch()
    database = urlsplit(plant.database)
    script = str(_HERE / "peer_pathway.py")
    command = [str(python), script, str(plant.broker.port), str(database.port)]
    command += [database.path.lstrip("/"), str(database.username)]
    with psycopg.connect(plant.database, autocommit=True) as connection:
        # the columns that Pathway adds to a stream of changes
        connection.execute(
            "CREATE TABLE peer (ts int8, energy float8, power float8, time int8, diff int8)"
        )
    with _running("pathway", command, plant) as sink:
        yield sink


def _folder(name: str) -> Path:
    folder = Path(os.environ.get("TONNE_LOCAL_DIR", ".tonne")).resolve() / "bench" / "peers" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _install(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=_INSTALL_S)
    except (subprocess.SubprocessError, OSError) as error:
        raise NotHereError(f"{command[0]} could not install it ({type(error).__name__})") from None


def _make_table(plant: Plant) -> None:
    with psycopg.connect(plant.database, autocommit=True) as connection:
        connection.execute(_TABLE)


@contextmanager
def _running(
    name: str, command: list[str], plant: Plant, environment: Mapping[str, str] | None = None
) -> Iterator[Sink]:
    with (plant.directory / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield await_first(plant, Sink(pids={name: process.pid}, count=_COUNT))
    finally:
        process.kill()
        process.wait()


def _flow(mqtt_port: int) -> list[dict[str, object]]:
    return [
        {"id": "tab", "type": "tab", "label": "bench"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(mqtt_port),
            "clientid": "peer",
            "protocolVersion": "4",
            "cleansession": False,
            "autoConnect": True,
        },
        {
            "id": "in",
            "type": "mqtt in",
            "z": "tab",
            "topic": "emissions/#",
            "qos": "1",
            "datatype": "utf8",
            "broker": "broker",
            "wires": [["store"]],
        },
        {
            "id": "store",
            "type": "function",
            "z": "tab",
            "func": _STORE,
            "initialize": _OPEN,
            "outputs": 0,
            "wires": [],
        },
    ]
