"""The three servers of deploy/kubernetes, each with its manifest's files, variables and words.

They run in a network namespace of their own, where a pod is an address of loopback. The clients in
it are tonne's own source and a device.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from ruamel.yaml import YAML

from tests.patience import until
from tests.repository.files import DEPLOY, ROOT, read_yaml
from tests.services import server_directory

pytestmark = pytest.mark.broker

FOLDER = DEPLOY / "kubernetes"
NATS_SERVER = Path(sys.executable).with_name("nats-server")
NAMES = ["nats-0", "nats-1", "nats-2"]


def address(name: str) -> str:
    return f"127.0.1.{NAMES.index(name) + 1}"


class Pods:
    """The servers, one process each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.network = f"tonne-nats-{os.getpid()}"
        stateful, *_ = YAML(typ="safe").load_all(FOLDER / "nats.yaml")
        self._pod = stateful["spec"]["template"]["spec"]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.secrets = self._secrets()
        self._write_files()
        subprocess.run(["ip", "netns", "add", self.network], check=True)
        subprocess.run(["ip", "-n", self.network, "link", "set", "lo", "up"], check=True)

    def _secrets(self) -> dict[str, dict[str, bytes]]:
        authority = trustme.CA()
        names = ["nats.tonne.svc", "mqtt.tonne.svc", "*.nats-cluster.tonne.svc"]
        issued = authority.issue_cert(*names)
        pem = self.directory / "pem"
        pem.mkdir()
        (pem / "crt").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        (pem / "key").write_bytes(issued.private_key_pem.bytes())
        (pem / "ca").write_bytes(authority.cert_pem.bytes())
        words = [FOLDER / "secrets.sh", "--certificate", pem / "crt", "--key", pem / "key"]
        done = subprocess.run(
            [*words, "--authority", pem / "ca"], check=True, capture_output=True, text=True
        )
        return {
            each["metadata"]["name"]: {
                key: base64.b64decode(value) for key, value in each["data"].items()
            }
            for each in YAML(typ="safe", pure=True).load_all(done.stdout)
        }

    def _write_files(self) -> None:
        settings = self.directory / "nats"
        settings.mkdir()
        for folder, kustomization in ((DEPLOY / "nats", None), (FOLDER, "nats")):
            (generated,) = read_yaml(folder / "kustomization.yaml")["configMapGenerator"]
            assert kustomization is None or generated["behavior"] == "merge"
            for entry in generated["files"]:
                name, _, source = entry.rpartition("=")
                (settings / (name or source)).write_bytes((folder / source).read_bytes())
        for name, value in self.secrets["nats-users"].items():
            (settings / name).write_bytes(value)
        secrets = self.directory / "secrets"
        secrets.mkdir()
        (tls,) = (each["secret"] for each in self._pod["volumes"] if each["name"] == "tls")
        for item in tls["items"]:
            (secrets / item["path"]).write_bytes(self.secrets[tls["secretName"]][item["key"]])
        lines = [f"{address(name)} {name}.nats-cluster.tonne.svc" for name in NAMES]
        lines += [f"{address('nats-0')} nats.tonne.svc", f"{address('nats-1')} mqtt.tonne.svc"]
        (self.directory / "hosts").write_text("127.0.0.1 localhost\n" + "\n".join(lines) + "\n")

    def start(self, name: str) -> None:
        """Run a pod's server, with what its manifest gives it."""
        (container,) = (each for each in self._pod["containers"] if each["name"] == "nats")
        data = self.directory / name
        data.mkdir(exist_ok=True)
        line = ["bwrap", "--die-with-parent", "--clearenv", "--dev", "/dev", "--proc", "/proc"]
        line += ["--ro-bind", str(NATS_SERVER), "/nats-server", "--tmpfs", "/var/run/nats"]
        line += ["--ro-bind", str(self.directory / "nats"), "/etc/nats"]
        line += ["--ro-bind", str(self.directory / "secrets"), "/run/secrets"]
        line += ["--ro-bind", str(self.directory / "hosts"), "/etc/hosts"]
        line += ["--bind", str(data), "/data"]
        for each in container["env"]:
            # the one of the pod's own name, and the address that stands for the pod
            value = {"NATS_SERVER_NAME": name, "NATS_LISTEN_HOST": address(name)}.get(each["name"])
            line += ["--setenv", each["name"], value or each["value"]]
        with (self.directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*self._inside(), *line, "--", "/nats-server", *container["args"]],
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name)
        subprocess.run(["ip", "netns", "delete", self.network], check=True)

    def _inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.network]

    def healthy(self, name: str) -> bool:
        """As the readiness probe of the manifest asks."""
        (container,) = (each for each in self._pod["containers"] if each["name"] == "nats")
        path = container["readinessProbe"]["httpGet"]["path"]
        done = subprocess.run(
            [*self._inside(), "curl", "-sf", f"http://{address(name)}:8222{path}"],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def ask(self, program: str, *words: str) -> Any:
        """Run a program of Python among the pods; what it prints, as JSON."""
        line = ["bwrap", "--dev-bind", "/", "/", "--ro-bind"]
        line += [str(self.directory / "hosts"), "/etc/hosts", "--chdir", str(ROOT), "--"]
        done = subprocess.run(
            [*self._inside(), *line, sys.executable, "-c", program, *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def pods() -> Iterator[Pods]:
    with server_directory() as directory:
        made = Pods(directory)
        try:
            for name in NAMES:
                made.start(name)
            until(lambda: all(made.healthy(name) for name in NAMES), "the servers are ready")
            yield made
        finally:
            made.stop()


#: What each program begins with: tonne's own source, and a client with the account of ingest.
COMMON = """
import asyncio, json, sys
from pathlib import Path
import nats
from services.core.runtime import broker_tls, broker_url
from services.core.runtime.mqtt_client import MqttClient
from services.ingest.sources.jetstream.source import JetstreamSource
from tests.patience import PATIENCE_S, until

by_nats, by_mqtt = map(broker_url.parse, sys.argv[1:3])
def tls(url):
    return broker_tls.context(url, ca=Path(sys.argv[3]), cert=None, key=None)
source = JetstreamSource(by_nats, durable="tonne-ingest", max_waiting=10, tls=tls(by_nats))
taken = []
def take():
    # a pipeline that receives nothing has its source leave the broker
    taken.extend(source.receive(limit=10, gather_s=0.0, timeout_s=0.1))
    return taken
def is_connected():
    take()
    return source.connected
def connect():
    source.start(frozenset({"emissions/#"}))
    until(is_connected, "ingest is connected")
"""

LISTEN_AND_PUBLISH = (
    COMMON
    + """
connect()
client = MqttClient.for_broker(by_mqtt, client_id="device", tls=tls(by_mqtt))
client.connect(by_mqtt.host, by_mqtt.port)
client.loop_start()
client.publish("emissions/linz/a/readings", "one", qos=1).wait_for_publish(PATIENCE_S)
client.disconnect()
client.loop_stop()
source.close()

async def replicas():
    other = await nats.connect(sys.argv[1], tls=tls(by_nats))
    streams = await other.jetstream().streams_info()
    await other.close()
    return {each.config.name: each.config.num_replicas for each in streams}
print(json.dumps(asyncio.run(replicas())))
"""
)

TAKE = (
    COMMON
    + """
connect()
until(take, "what was published")
print(json.dumps([message.payload.decode() for message in taken]))
source.close()
"""
)


def test_what_a_device_published_is_there_when_one_server_is_gone(pods: Pods) -> None:
    broker = {name: value.decode() for name, value in pods.secrets["broker-ingest"].items()}
    words = (broker["nats"], broker["mqtt"], str(pods.directory / "secrets" / "ca"))
    replicas = pods.ask(LISTEN_AND_PUBLISH, *words)
    assert {"$MQTT_msgs", "$MQTT_rmsgs", "$MQTT_sess"} <= set(replicas)
    assert set(replicas.values()) == {3}
    pods.kill("nats-2")
    assert pods.ask(TAKE, *words) == ["one"]
