"""deploy/kubernetes is what Kubernetes accepts, and what tonne's programs are started well by."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import trustme
from psycopg.conninfo import conninfo_to_dict
from ruamel.yaml import YAML

from services.cli import app
from services.cli.device_accounts import Account, for_nats
from services.core.runtime.settings import Settings, load, secret_settings
from services.core.store.database.connect import check_standby_url
from services.core.store.schema.ddl import LOGINS
from services.core.store.schema.logins import password_of
from tests.examples import examples_of
from tests.repository.files import DEPLOY, commands, own_services, read_yaml

FOLDER = DEPLOY / "kubernetes"

#: The oldest version that is looked after, and the newest whose schemas are known.
VERSIONS = ("1.33", "1.37")


def _documents(path: Path) -> list[dict[str, Any]]:
    # Kubernetes reads YAML 1.1, where 0440 is octal
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    return list(yaml.load_all(path.read_text(encoding="utf-8")))


@cache
def objects() -> list[dict[str, Any]]:
    """Every object that is applied, but for the settings of NATS."""
    names = [*read_yaml(FOLDER / "kustomization.yaml")["resources"], "admin.yaml"]
    return [
        each for name in names if (FOLDER / name).is_file() for each in _documents(FOLDER / name)
    ]


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects() if each["kind"] in kinds}


def pods() -> dict[str, dict[str, Any]]:
    """What runs: name of the deployment -> its pods' template."""
    found = of_kind("Deployment", "StatefulSet", "Job")
    by_itself = of_kind("Pod")
    return {name: each["spec"]["template"] for name, each in found.items()} | by_itself


def containers() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Pod's name, its template, and one of its containers."""
    return [(name, pod, each) for name, pod in pods().items() for each in pod["spec"]["containers"]]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What secrets.sh prints: name -> key -> value."""
    folder = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    issued = authority.issue_cert("mqtt.tonne.svc")
    (folder / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    (folder / "tls.key").write_bytes(issued.private_key_pem.bytes())
    (folder / "ca.crt").write_bytes(authority.cert_pem.bytes())
    words = [FOLDER / "secrets.sh", "--certificate", folder / "tls.crt"]
    words += ["--key", folder / "tls.key", "--authority", folder / "ca.crt"]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    made = list(YAML(typ="safe", pure=True).load_all(printed))
    for each in made:
        kubernetes_validate.validate(each, VERSIONS[0], strict=True)
    return {
        each["metadata"]["name"]: {
            key: base64.b64decode(value, validate=True) for key, value in each["data"].items()
        }
        for each in made
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_kubernetes_accepts(version: str) -> None:
    checked = 0
    for each in objects():
        # the operator's own kind has no schema here
        if each["apiVersion"] != "postgresql.cnpg.io/v1":
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked > 20


def test_every_file_is_applied() -> None:
    listed = read_yaml(FOLDER / "kustomization.yaml")
    generated = [name for each in listed["configMapGenerator"] for name in each["files"]]
    here = {path.name for path in FOLDER.iterdir()}
    by_hand = {"admin.yaml", "kustomization.yaml", "postgres.Dockerfile"}
    by_hand |= {"secrets.sh", "credentials.sh"}
    assert here - by_hand == {*generated, *listed["resources"]} - {"../nats"}


def test_the_overlay_of_the_page_changes_what_there_is() -> None:
    (example,) = (
        each
        for each in examples_of(DEPLOY / "docs/operate/kubernetes.md")
        if each.mark == "not run, a kustomization"
    )
    overlay = YAML(typ="safe", pure=True).load(example.text)
    (image,) = read_yaml(FOLDER / "kustomization.yaml")["images"]
    assert [each["name"] for each in overlay["images"]] == [image["name"]]
    for each in overlay["replicas"]:
        assert each["name"] in of_kind("Deployment")
    for each in overlay["patches"]:
        changed = of_kind(each["target"]["kind"])[each["target"]["name"]]
        for change in YAML(typ="safe", pure=True).load(each["patch"]):
            *way, last = change["path"].strip("/").split("/")
            there = last in reduce(getitem, way, changed)
            assert there == (change["op"] == "replace"), change


def test_no_container_is_root_or_can_gain_rights() -> None:
    for name, pod, container in containers():
        assert pod["spec"]["securityContext"]["runAsNonRoot"], name
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"], (name, container["name"])
        assert confined["capabilities"] == {"drop": ["ALL"]}, (name, container["name"])
        assert confined["allowPrivilegeEscalation"] is False, (name, container["name"])
        assert container["resources"]["limits"]["memory"], (name, container["name"])


def test_the_commands_of_an_upgrade_and_of_the_way_back_reach_every_process() -> None:
    page = (DEPLOY / "docs/operate/kubernetes.md").read_text(encoding="utf-8")
    deployments = set(of_kind("Deployment"))
    assert set(re.findall(r"rollout status deployment/(\w+)", page)) == deployments
    (stopped,) = re.findall(r"scale deployment ([\w ]+?) --replicas=0", page)
    assert set(stopped.split()) == deployments
    # a job cannot be changed: the page deletes it by its name, and waits for it
    assert set(of_kind("Job")) == set(re.findall(r"job[ /](\w+) *[\n`]", page)) == {"migrate"}
    # one word of an overlay names the version of all of them
    (image,) = read_yaml(FOLDER / "kustomization.yaml")["images"]
    ours = {name for name, _, container in containers() if container["image"] == image["name"]}
    assert ours == {*deployments, "migrate", "admin"}


def test_kubernetes_makes_no_settings_of_its_services() -> None:
    # of a service `tonne-api` it would make TONNE_API_PORT=tcp://...
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in pods().values())


def test_every_volume_that_is_mounted_is_there() -> None:
    claims = {
        name: {each["metadata"]["name"] for each in pod["spec"].get("volumeClaimTemplates", [])}
        for name, pod in of_kind("StatefulSet").items()
    }
    for name, pod, container in containers():
        present = {each["name"] for each in pod["spec"]["volumes"]} | claims.get(name, set())
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted <= present, (name, container["name"])


def test_every_secret_that_is_used_is_made(secrets: dict[str, dict[str, bytes]]) -> None:
    used = set()
    for name, pod, container in containers():
        for volume in pod["spec"]["volumes"]:
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            used |= {
                each["secret"].get("secretName") or each["secret"]["name"]
                for each in sources
                if "secret" in each
            }
        for each in container.get("envFrom", []):
            assert each["secretRef"]["optional"], (name, "secrets.sh makes none")
    assert used == set(secrets)


def test_every_process_accepts_its_settings(
    secrets: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = {f"TONNE_{name.upper()}" for name in Settings.model_fields}
    known |= {f"TONNE_{name.upper()}_FILE" for name in secret_settings()}
    words = {name.split()[0] for name in commands(app)}
    seen = 0
    for name, pod, container in containers():
        if container["image"] != "tonne":
            continue
        assert "command" in container or container["args"][0] in words
        variables = {each["name"]: each["value"] for each in container["env"]}
        assert set(variables) <= known, (name, container["name"])
        files = _files(pod, container, secrets)
        with monkeypatch.context() as patch:
            for variable, value in variables.items():
                if variable.endswith("_FILE"):
                    here = tmp_path / variable
                    here.write_bytes(files[value])
                    patch.setenv(variable, str(here))
                else:
                    patch.setenv(variable, value)
                    assert not value.startswith("/run/secrets") or value in files
            settings = load()
        assert settings.database_url is not None
        # requests that only read are the standbys', whose pods the network policies name too
        reads = settings.api_reads_url
        assert (reads is not None) == (container["name"] == "api")
        if reads is not None:
            stated = conninfo_to_dict(check_standby_url(reads.get_secret_value()))
            assert (stated["host"], stated["target_session_attrs"]) == ("db-ro", "standby")
            written = conninfo_to_dict(settings.database_url.get_secret_value())
            assert (stated["user"], stated["password"]) == (written["user"], written["password"])
        seen += 1
    assert seen == 7


def _files(
    pod: dict[str, Any], container: dict[str, Any], secrets: dict[str, dict[str, bytes]]
) -> dict[str, bytes]:
    """What a container sees of Secrets: path -> content."""
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    found = {}
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        sources = [
            each["secret"]
            for each in [volume, *volume.get("projected", {}).get("sources", [])]
            if "secret" in each
        ]
        for source in sources:
            values = secrets[source.get("secretName") or source["name"]]
            items = source.get("items") or [{"key": key, "path": key} for key in values]
            for item in items:
                found[f"{mount['mountPath']}/{item['path']}"] = values[item["key"]]
    return found


def test_the_logins_are_those_that_migrate_gives(
    secrets: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    (migrate,) = (each for name, _, each in containers() if name == "migrate")
    files = _files(pods()["migrate"], migrate, secrets)
    directory = Path(migrate["args"][migrate["args"].index("--logins") + 1])
    for login in LOGINS:
        here = tmp_path / login
        here.mkdir()
        (here / "pgpass").write_bytes(files[str(directory / login / "pgpass")])
        password = password_of(tmp_path, login)
        url = secrets[f"login-{login.removeprefix('tonne_')}"]["url"].decode()
        assert url == f"postgresql://{login}:{password}@db-rw:5432/tonne"


#: Stands in for a cluster: it has one Secret, and the pod admin in which `tonne` runs.
_KUBECTL = """#!/bin/sh
shift 2
case "$1" in
  get) base64 <"$CLUSTER/secret" ;;
  exec) shift 3; exec "$CLUSTER/$@" ;;
  create) cat "${5#--from-file=}" ;;
  replace) cat >"$CLUSTER/secret" ;;
esac
"""


def test_accounts_of_devices_leave_those_of_tonne(
    secrets: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    secret, said = tmp_path / "secret", tmp_path / "said"
    secret.write_bytes(secrets["nats-users"]["nats-users.conf"])
    shipped = secret.read_text().splitlines()
    for name, script in (("kubectl", _KUBECTL), ("tonne", '#!/bin/sh\ncat "$CLUSTER/said"\n')):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "CLUSTER": str(tmp_path)}

    def made(device: str) -> str:
        """Have an account made; return what is printed."""
        account = Account(user=device, topics=["emissions/linz/meter/readings"])
        settings = for_nats([account])["nats-users.conf"]
        said.write_text(
            f"# ---- nats-users.conf\n{settings}\n"
            f"# ---- passwords, shown this once\n{device} {account.password}\n"
        )
        words = [FOLDER / "credentials.sh", device.replace(".", "/")]
        printed = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
        assert account.password not in secret.read_text()
        assert printed.stdout.splitlines()[1:] == [f"{device} {account.password}"]
        return next(line for line in settings.splitlines() if device in line)

    first = made("linz.meter")
    other = made("linz.other")
    again = made("linz.meter")
    # tonne's own passwords are in the Secrets of its processes: they stay what they were
    assert secret.read_text().splitlines() == [*shipped[:-2], other, again, *shipped[-2:]]
    assert first != again


def test_what_must_not_be_away_all_at_once_is_not() -> None:
    budgets = of_kind("PodDisruptionBudget")
    for name, each in of_kind("Deployment", "StatefulSet").items():
        assert each["spec"]["replicas"] > 1, name
        assert budgets[name]["spec"]["selector"] == each["spec"]["selector"]


def _labels() -> list[dict[str, str]]:
    database = {"cnpg.io/cluster": of_kind("Cluster").popitem()[0]}
    return [pod["metadata"]["labels"] for pod in pods().values()] + [database]


def _selected(selector: dict[str, Any]) -> list[dict[str, str]]:
    return [
        labels
        for labels in _labels()
        if selector.get("matchLabels", {}).items() <= labels.items()
        and all(
            labels.get(each["key"]) in each["values"]
            for each in selector.get("matchExpressions", [])
        )
    ]


def test_network_policies_speak_of_pods_that_there_are() -> None:
    for name, policy in of_kind("NetworkPolicy").items():
        spec = policy["spec"]
        assert _selected(spec["podSelector"]), name
        peers = [
            peer
            for direction, side in (("ingress", "from"), ("egress", "to"))
            for rule in spec.get(direction, [])
            for peer in rule.get(side, [])
        ]
        for peer in peers:
            if "podSelector" in peer:
                assert _selected(peer["podSelector"]), (name, peer)
                for expression in peer["podSelector"].get("matchExpressions", []):
                    values = {labels.get("app") for labels in _labels()}
                    assert set(expression["values"]) <= values, name


@pytest.mark.parametrize(
    ("client", "server", "port"),
    [
        ("migrate", "db", 5432),
        ("ingest", "db", 5432),
        ("aggregator", "db", 5432),
        ("notifier", "db", 5432),
        ("api", "db", 5432),
        ("db", "db", 5432),
        ("ingest", "nats", 4222),
        ("ingest", "nats", 8883),
        ("api", "nats", 4222),
        ("notifier", "nats", 8883),
        ("nats", "nats", 6222),
    ],
)
def test_who_has_to_speak_to_whom_may(client: str, server: str, port: int) -> None:
    assert _leaves(client, server, port)
    assert _enters(client, server, port)


@pytest.mark.parametrize(
    ("client", "server", "port"),
    [
        ("aggregator", "nats", 4222),
        ("nats", "db", 5432),
        ("notifier", "api", 8000),
        ("api", "nats", 6222),
    ],
)
def test_who_has_nothing_to_say_to_whom_may_not(client: str, server: str, port: int) -> None:
    assert not (_leaves(client, server, port) and _enters(client, server, port))


def _labels_of(name: str) -> dict[str, str]:
    return {"cnpg.io/cluster": "db"} if name == "db" else {"app": name}


def _leaves(client: str, server: str, port: int) -> bool:
    return _is_let(client, server, port, "egress", "to")


def _enters(client: str, server: str, port: int) -> bool:
    return _is_let(server, client, port, "ingress", "from")


def _is_let(subject: str, peer: str, port: int, direction: str, side: str) -> bool:
    """Whether a rule of the pods' own lets a peer of this namespace through."""
    for policy in of_kind("NetworkPolicy").values():
        if _labels_of(subject) not in _selected(policy["spec"]["podSelector"]):
            continue
        for rule in policy["spec"].get(direction, []):
            if port not in [each["port"] for each in rule.get("ports", [])]:
                continue
            if side not in rule or any(
                _labels_of(peer) in _selected(each["podSelector"])
                for each in rule[side]
                if "podSelector" in each
            ):
                return True
    return False


def test_services_lead_to_ports_of_their_pods() -> None:
    for name, service in of_kind("Service").items():
        (pod,) = (
            pod
            for pod in pods().values()
            if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        )
        ports = {
            key
            for container in pod["spec"]["containers"]
            for each in container.get("ports", [])
            for key in (each["name"], each["containerPort"])
        }
        for each in service["spec"]["ports"]:
            assert each.get("targetPort", each["port"]) in ports, name


def test_images_of_others_are_those_of_the_compose_file() -> None:
    assert own_services()
    (nats,) = (each for _, _, each in containers() if each["name"] == "nats")
    assert nats["image"] == read_yaml(DEPLOY / "compose.yaml")["services"]["nats"]["image"]
