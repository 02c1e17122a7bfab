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
from services.core.runtime.settings import Settings
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

#: In quotes where a program reads the value as its own settings.
_NEEDED = re.compile(r'"?\$\{\w+:\?[^}]+\}"?')


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


def _words(service: dict[str, Any]) -> list[str]:
    """The ``tonne`` commands that a service of ours runs."""
    text = " ".join(service["command"])
    if "entrypoint" not in service:
        return [text]
    return re.findall(r"\btonne ([a-z]+)", text)


def test_every_tonne_command_exists() -> None:
    known = {name.split()[0] for name in commands(app)}
    used = {
        name: _words(service)
        for name, service in own_services().items()
        if service["command"] != ["--help"]
    }
    assert all(used.values()), used
    assert {word for words in used.values() for word in words} <= known


def test_every_setting_exists() -> None:
    known = {f"TONNE_{name.upper()}" for name in Settings.model_fields}
    for name, service in services().items():
        used = {v for v in service.get("environment", {}) if v.startswith("TONNE_")}
        assert used <= known, name


def test_our_processes_accept_the_settings_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in own_services().values():
        with monkeypatch.context() as patch:
            for name, value in service["environment"].items():
                patch.setenv(name, value)
            settings = Settings()
        assert settings.database_url is not None
        assert settings.api_auth == "required"


def test_everything_mounted_or_built_from_exists() -> None:
    for name, service in services().items():
        for path in mounts(service).values():
            assert path.exists(), f"{name} mounts {path}"
    for service in own_services().values():
        context = (DEPLOY / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("nats", "/etc/nats/tonne.conf"),
        ("prometheus", "/etc/prometheus/prometheus.yml"),
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
        if name == "migrate":
            continue
        url = urlsplit(service["environment"]["TONNE_DATABASE_URL"])
        assert url.username is not None
        assert url.password is None
        assert parse_qs(url.query) == {"passfile": [f"/logins/{url.username}/pgpass"]}
        # nobody else's password is there to be read
        (volume,) = [volume for volume in service["volumes"] if ":/run/tonne" not in volume]
        assert volume.endswith(f":/logins/{url.username}:ro")
        assert "PGPASSWORD" not in service["environment"]
        seen[name] = url.username
    assert seen == {
        "ingest": "tonne_ingest",
        "aggregator": "tonne_aggregate",
        "notifier": "tonne_notify",
        "api": "tonne_api",
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
    (made,) = re.findall(r"^RUN for login in ([a-z ]+);", dockerfile, re.MULTILINE)
    assert {f"tonne_{each}" for each in made.split()} == set(LOGINS)


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published), published


def test_ports_are_those_of_the_settings() -> None:
    settings = Settings()
    assert services()["api"]["ports"] == [f"127.0.0.1:{settings.api_port}:{settings.api_port}"]
    assert services()["nats"]["ports"] == [f"127.0.0.1:{settings.mqtt_port}:{settings.mqtt_port}"]
    broker = services()["nats"]["environment"]
    assert broker["NATS_MQTT_PORT"] == str(settings.mqtt_port)
    assert services()["ingest"]["environment"]["TONNE_MQTT_URL"].endswith(f":{settings.mqtt_port}")
    assert f":{settings.api_port}/healthz" in services()["api"]["healthcheck"]["test"][-1]
    assert "/healthz" in openapi()["paths"]


def test_no_secret_has_a_default() -> None:
    secrets = {
        (name, variable): value
        for name, service in services().items()
        for variable, value in service.get("environment", {}).items()
        if re.search(r"PASSWORD|SECRET|KEY", variable)
    }
    assert secrets
    for where, value in secrets.items():
        assert _NEEDED.fullmatch(value), where
        assert with_defaults(value) == value


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
    reach = {name for name, service in services().items() if "database" in service["networks"]}
    assert reach == {"timescaledb", *own_services()}


def test_the_broker_accepts_its_settings(tmp_path: Path) -> None:
    environment: dict[str, str] = services()["nats"]["environment"]
    settings = _mounted(services()["nats"], "/etc/nats/tonne.conf")
    users = _mounted(services()["nats"], "/etc/nats/nats-users.conf")
    asked = re.findall(r"[ :]\$(NATS_\w+)", settings.read_text() + users.read_text())
    assert set(asked) == set(environment)
    for file in (settings, users):
        (tmp_path / file.name).write_text(file.read_text())
    program = Path(sys.executable).parent / "nats-server"
    done = subprocess.run(
        [str(program), "-t", "-c", str(tmp_path / settings.name)],
        env={**os.environ, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
