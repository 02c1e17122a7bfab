from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.cli import app
from services.core.runtime.settings import Settings, load, login_of, secret_settings
from services.core.store.schema.ddl import LOGINS
from tests.repository.files import (
    COMPOSE,
    DEPLOY,
    ROOT,
    commands,
    mounts,
    openapi,
    own_services,
    read_yaml,
    services,
    with_defaults,
)

#: Of each service: what stays within which limits, and does not run as root.
_LIMITS = ("cpus", "mem_limit", "pids_limit")


def test_the_compose_file_is_what_compose_accepts() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(COMPOSE),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_devices_show_certificates_files_are_taken_the_place_of_and_nothing_else() -> None:
    base, other = read_yaml(COMPOSE), read_yaml(DEPLOY / "compose.certificates.yaml")
    assert set(other) == {"services", "secrets"}
    assert set(other["services"]) == {"nats", "ingest", "notifier"}
    files = {entry["file"] for entry in other["secrets"].values()}
    assert {str(Path(file).parent) for file in files} == {"secrets/certificates"}
    # each is one that the script makes
    script = (DEPLOY / "server.sh").read_text()
    made = re.findall(r"^  take \S+ (\w+)$", script, re.MULTILINE)
    assert {Path(file).name for file in files} == set(made)
    # whoever logs in by a password would go on to: none of it is left
    replaced = set(other["secrets"]) & set(base["secrets"])
    accounts = {"nats_users", "ingest_mqtt_url", "notifier_mqtt_url", "backup_broker_url"}
    assert replaced == accounts
    for name, service in other["services"].items():
        assert set(service) <= {"volumes", "environment", "secrets"}
        assert set(service["secrets"]) <= set(other["secrets"])
        for setting, path in service.get("environment", {}).items():
            assert setting.lower().removeprefix("tonne_") in Settings.model_fields
            assert Path(path).name in service["secrets"], name
    (mount,) = other["services"]["nats"]["volumes"]
    assert mount.split(":")[1] in {v.split(":")[1] for v in base["services"]["nats"]["volumes"]}
    assert (DEPLOY / mount.split(":")[0]).is_file()


def _words(service: dict[str, Any]) -> list[str]:
    """The ``tonne`` commands that a service of ours runs."""
    text = " ".join(service["command"])
    if "entrypoint" not in service:
        return [text.split()[0]]
    return re.findall(r"\btonne ([a-z]+)", text)


def test_every_tonne_command_exists() -> None:
    known = {name.split()[0] for name in commands(app)}
    used = {
        name: _words(service)
        for name, service in own_services().items()
        if service.get("command", ["--help"]) != ["--help"]
    }
    assert all(used.values()), used
    assert {word for words in used.values() for word in words} <= known


def test_every_setting_exists() -> None:
    known = {f"TONNE_{name.upper()}" for name in Settings.model_fields}
    known |= {f"TONNE_{name.upper()}_FILE" for name in secret_settings()}
    for name, service in services().items():
        if name == "caddy":
            # its Caddyfile asks for what deploy/.env says
            continue
        used = {v for v in service.get("environment", {}) if v.startswith("TONNE_")}
        assert used <= known, name


def test_our_processes_accept_the_settings_they_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("postgresql://somebody@somewhere/tonne")
    for service in own_services().values():
        if "environment" not in service:
            continue
        with monkeypatch.context() as patch:
            for name, value in service["environment"].items():
                of_a_file = name.endswith("_FILE")
                patch.setenv(name, str(tmp_path / "url") if of_a_file else with_defaults(value))
            settings = load()
        assert settings.database_url is not None
        assert settings.api_auth == "required"


def test_everything_mounted_or_built_from_exists() -> None:
    for name, service in services().items():
        for path in mounts(service).values():
            # what server.sh makes is not there before
            assert path.exists() or (DEPLOY / "secrets") in path.parents, f"{name} mounts {path}"
    for service in own_services().values():
        context = (DEPLOY / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("command", ["verify", "recompute", "users", "quarantine"])
def test_a_command_of_people_has_the_login_that_it_takes(command: str, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "owner_database_url").write_text("postgresql://...")
    (tmp_path / "server.sh").write_bytes((DEPLOY / "server.sh").read_bytes())
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\n')
    docker.chmod(0o755)
    done = subprocess.run(
        ["sh", tmp_path / "server.sh", "tonne", command, "--help"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    service, *words = done.stdout.partition(" run --rm ")[2].split()
    assert words == [command, "--help"]
    url = urlsplit(services()[service]["environment"]["TONNE_DATABASE_URL"])
    assert url.username == login_of(command)


@pytest.mark.parametrize(
    "words",
    [
        ("credentials", "linz/cems-1"),
        ("certificates", "/srv/tonne-authority"),
        ("revoke", "linz/cems-1"),
        ("renew",),
        ("backup", "list"),
        ("tonne", "users", "list"),
    ],
    ids=" ".join,
)
def test_what_takes_a_server_says_so_where_there_is_none(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    script = tmp_path / "server.sh"
    script.write_bytes((DEPLOY / "server.sh").read_bytes())
    done = subprocess.run(["sh", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "server.sh: there is no server here yet; make it: server.sh up\n"
    assert list(tmp_path.iterdir()) == [script]


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("nats", "/etc/nats/tonne.conf"),
        ("prometheus", "/etc/prometheus/prometheus.yml"),
        ("alertmanager", "/etc/alertmanager/alertmanager.yml"),
        ("caddy", "/etc/caddy/Caddyfile"),
        ("grafana", "/etc/tonne/dashboards/emissions.json"),
    ],
)
def test_paths_that_programs_are_given_are_mounted(service: str, path: str) -> None:
    definition = services()[service]
    given = " ".join(
        [*definition.get("command", []), *map(str, definition["environment"].values())]
        if "environment" in definition
        else definition["command"]
    )
    assert path in given
    assert _mounted(definition, path).is_file()


def _mounted(service: dict[str, Any], path: str) -> Path:
    for container, here in mounts(service).items():
        if path == container or path.startswith(container + "/"):
            return here / Path(path).relative_to(container)
    raise AssertionError(f"{path} is mounted from nowhere")


def test_facility_files_are_looked_for_where_they_are_mounted() -> None:
    service = services()["migrate"]
    (container,) = mounts(service)
    assert f"{container}/*.yaml" in service["command"][0]
    assert list(mounts(service)[container].glob("*.yaml"))


def test_each_process_logs_in_to_the_database_as_itself() -> None:
    seen = {}
    for name, service in own_services().items():
        if name in {"migrate", "volumes"}:
            continue
        url = urlsplit(service["environment"]["TONNE_DATABASE_URL"])
        assert url.username is not None
        assert url.password is None
        assert parse_qs(url.query) == {"passfile": [f"/logins/{url.username}/pgpass"]}
        # nobody else's password is there to be read
        (volume,) = [mount for mount in service["volumes"] if ":/logins/" in mount]
        assert volume.endswith(f":/logins/{url.username}:ro")
        assert "owner_database_url" not in service.get("secrets", [])
        seen[name] = url.username
    assert seen == {
        "ingest": "tonne_ingest",
        "aggregator": "tonne_aggregate",
        "notifier": "tonne_notify",
        "api": "tonne_api",
        "backup": "tonne_backup",
        "admin": "tonne_admin",
    }
    assert set(seen.values()) == set(LOGINS)


def test_ingest_and_the_api_alone_share_the_socket_of_readings() -> None:
    seen = {
        name: service["environment"]["TONNE_READINGS_SOCKET"]
        for name, service in own_services().items()
        if any(":/run/tonne" in volume for volume in service.get("volumes", []))
    }
    assert seen == dict.fromkeys(("ingest", "api"), "/run/tonne/readings.sock")
    # a new volume is owned as the directory of the image is that it is put over
    assert "install -d -m 700 -o tonne -g tonne /run/tonne" in (DEPLOY / "Dockerfile").read_text()


def test_every_login_has_a_volume_that_its_password_can_be_written_to() -> None:
    written = [volume for volume in services()["migrate"]["volumes"] if ":/logins/" in volume]
    names = {volume.split(":")[0] for volume in written}
    assert {volume.split(":")[1] for volume in written} == {f"/logins/{each}" for each in LOGINS}
    assert names <= set(read_yaml(COMPOSE)["volumes"])
    # a new volume is owned as the directory of the image is that it is put over
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    (made,) = re.findall(r"&& for login in ([a-z ]+);", dockerfile, re.MULTILINE)
    assert {f"tonne_{each}" for each in made.split()} == set(LOGINS)


def test_what_is_published_is_on_this_machine_alone_until_there_is_a_host() -> None:
    published = {
        name: [with_defaults(port) for port in service["ports"]]
        for name, service in services().items()
        if "ports" in service
    }
    everything = [port for ports in published.values() for port in ports]
    assert all(port.startswith("127.0.0.1:") for port in everything), published
    # with a host: what speaks TLS, and what leads to it
    with_host = {
        port.rsplit(":", 2)[1]
        for service in services().values()
        for port in service.get("ports", [])
        if not port.startswith("127.0.0.1:")
    }
    assert with_host == {"443", "80", "8883"}
    assert "ports" not in services()["api"]


def test_each_service_is_confined_and_none_is_root() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].partition(":")[0] not in {"0", "root"}, name
        assert all(limit in service for limit in _LIMITS), name
        runs_on = service["restart"] != "no"
        assert runs_on == ("healthcheck" in service), name


def test_ports_are_those_that_programs_listen_on() -> None:
    settings = Settings()
    assert f"api:{settings.api_port}" in (DEPLOY / "caddy" / "Caddyfile").read_text()
    assert f":{settings.api_port}/healthz" in services()["api"]["healthcheck"]["test"][-1]
    assert "/healthz" in openapi()["paths"]
    broker = services()["nats"]
    assert broker["ports"][0].endswith(f":{broker['environment']['NATS_MQTT_PORT']}")


def test_no_secret_is_in_an_environment() -> None:
    known = set(read_yaml(COMPOSE)["secrets"])
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|_URL", variable) and variable != "TONNE_PUBLIC_URL":
                is_file = variable.endswith("_FILE") and value.startswith("/run/secrets/")
                assert is_file or "passfile=" in value, (name, variable)
                assert not is_file or value.rpartition("/")[2] in known
        sources = [e if isinstance(e, str) else e["source"] for e in service.get("secrets", [])]
        assert set(sources) <= known


def test_the_schema_is_there_before_anything_uses_it() -> None:
    for name in ("ingest", "aggregator", "notifier", "api"):
        waits_for = own_services()[name]["depends_on"]
        assert waits_for["migrate"] == {"condition": "service_completed_successfully"}
    assert own_services()["migrate"]["depends_on"] == {
        "timescaledb": {"condition": "service_healthy"}
    }
    assert own_services()["migrate"]["restart"] == "no"


def test_whatever_is_waited_for_until_healthy_has_a_health_check() -> None:
    for service in services().values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services()[other], other


def test_only_what_needs_the_database_can_reach_it() -> None:
    reach = {n for n, service in services().items() if "database" in service.get("networks", ())}
    assert reach == {"timescaledb", *own_services()} - {"volumes"}
    assert read_yaml(COMPOSE)["networks"]["database"] == {"internal": True}


def test_the_broker_is_asked_for_what_it_is_given() -> None:
    settings = _mounted(services()["nats"], "/etc/nats/tonne.conf")
    asked = re.findall(r"[ :]\$(NATS_\w+)", settings.read_text())
    assert set(asked) == set(services()["nats"]["environment"])
