"""deploy/server.sh and deploy/compose.yaml, from nothing to a total that is read by HTTPS.

Every service of the compose file runs with its image's files, user, environment and command; see
:mod:`tests.engine`. Grafana alone is left out: it cannot be had here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.engine.engine import Engine, copy_of_deploy
from tests.engine.images import MISSING
from tests.patience import until
from tests.repository.files import DEPLOY, services
from tests.services import server_directory
from tests.upgrade.next_version import NextVersion

pytestmark = [
    pytest.mark.database,
    pytest.mark.broker,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.getuid() != 0, reason="namespaces of a network take root"),
]

_HOST = "tonne.example.test"
#: of whole micrograms by the minute
_RATE = re.compile(r'"rate_kg_h":(19\.99999|20\.0)')
_TWICE_THE_RATE = re.compile(r'"rate_kg_h":(39\.99999|40\.0)')
_FACILITY = """
facility: {id: works, name: Works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: power, quantity: power, unit: kW, kind: gauge, max_gap: 120}]
  - id: spare
    channels: [{id: power, quantity: power, unit: kW, kind: gauge, max_gap: 120}]
factors:
  - {id: grid, unit: kWh, co2_kg: 0.2, valid_from: 2020-01-01, citation: a certificate}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.power, factor: grid}
"""


class _Server:
    """A machine on which somebody runs server.sh."""

    def __init__(self, directory: Path) -> None:
        self.deploy = copy_of_deploy(directory / "deploy", DEPLOY)
        self.engine = Engine(self.deploy, directory)
        programs = directory / "bin"
        programs.mkdir()
        docker = programs / "docker"
        shim = Path(__file__).parents[1] / "engine" / "docker.py"
        docker.write_text(f'#!/bin/sh\nexec {sys.executable} {shim} "$@"\n')
        docker.chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ENGINE_SOCKET": str(directory / "docker.sock"),
            "TONNE_SHOW_PASSWORD": "1",
        }

    def run(self, *words: str) -> str:
        """Run server.sh, and return what it says."""
        done = self._done(words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *words: str) -> str:
        """Run server.sh, which does not do it, and return why."""
        done = self._done(words)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def _done(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.deploy / "server.sh"), *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def inside(self, *words: str) -> str:
        """Run a program where the server's ports are."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.engine.network, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def https(self, path: str, *words: str) -> str:
        """Ask the API through Caddy, trusting our authority alone."""
        return self.inside(
            *("curl", "-sS", "-i", "--cacert", str(self.deploy / "secrets" / "ca")),
            # as the port is published
            *("--connect-to", f"{_HOST}:443:127.0.0.1:8443", *words, f"https://{_HOST}{path}"),
        )

    def secrets(self) -> dict[str, bytes]:
        """Every secret's file with its content."""
        root = self.deploy / "secrets"
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def server() -> Iterator[_Server]:
    with server_directory(for_postgres=True) as directory:
        machine = _Server(directory)
        (machine.deploy / "works").mkdir()
        (machine.deploy / "works" / "works.yaml").write_text(_FACILITY)
        (machine.deploy / ".env").write_text("FACILITIES_DIR=./works\n")
        try:
            yield machine
        finally:
            machine.engine.close()


def test_one_command_makes_a_server_that_devices_and_people_reach_by_tls(server: _Server) -> None:
    told = server.run("up", "--host", _HOST)
    assert "No certificates of devices were made" in told
    assert set(server.engine.running) == {
        name for name, it in services().items() if "profiles" not in it
    } - set(MISSING)
    (password,) = re.findall(r"as admin with the password (\S+);", told)
    _secrets_are_closed(server, password)

    accounts = server.run("credentials", "works/meter")
    (user, device_password) = re.findall(r"^(works\.meter) (\S+)$", accounts, re.MULTILINE)[0]
    mqtt = ["mosquitto_pub", "-h", _HOST, "-p", "8883", "-q", "1", "-i", "meter-1"]
    mqtt += ["--cafile", str(server.deploy / "secrets" / "ca")]

    def publish(power: int, *credentials: str, command: list[str] = mqtt) -> str:
        message = json.dumps({"ts": int(time.time()), "values": {"power": power}})
        sending = ["-t", "emissions/works/meter/readings", "-m", message]
        return server.inside(*_named(command), *credentials, *sending)

    by_password = ("-u", user, "-P", device_password)
    # the broker has read its accounts
    assert publish(100, *by_password) == ""
    assert "not authorised" in publish(100, "-u", user, "-P", "guess")
    assert "rror" in publish(100, *by_password, command=mqtt[:-2])
    _a_change_that_the_broker_does_not_take_is_none(server)
    assert publish(100, *by_password) == ""

    session = _signed_in(server, password)
    # a rate is known for two minutes
    assert publish(100, *by_password) == ""
    until(
        lambda: _RATE.search(server.https("/v1/live?facility=works", *session)),
        "100 kW at 0.2 kg/kWh are 20 kg an hour",
    )
    answer = server.https("/v1/live?facility=works")
    assert " 401" in answer.splitlines()[0]
    assert "strict-transport-security: max-age=31536000" in answer.lower()
    plain = server.inside("curl", "-sS", "-i", "-H", f"Host: {_HOST}", "http://127.0.0.1:8080/x")
    assert f"location: https://{_HOST}/x" in plain.lower()

    # a copy of everything, by the login that may copy
    made = server.run("backup", "--keep", "2")
    assert re.search(r"/backups/\S+Z: \d+\.\d MB", made), made
    listed = json.loads(server.run("backup", "list", "--json"))
    assert [line["broker"].split()[1] for line in listed] == ["messages"]

    assert "admin" in server.run("tonne", "users", "list")

    before = server.secrets()
    again = server.run("up")
    assert "password" not in again
    assert server.secrets() == before

    _certificates_are_made(server)
    meter = _devices_show_certificates(server, publish, by_password)

    def send(power: int) -> str:
        return publish(power, *meter)

    # this version is started again on the schema of the next one
    next_version = NextVersion(server.deploy.parent / "next")
    owner = before["owner_database_url"].decode().strip().replace("timescaledb", "127.0.0.1")
    next_version.run("migrate", url=owner, network=server.engine.network)
    for name in ("ingest", "aggregator", "notifier", "api"):
        server.engine.running[name].stop()
    assert send(200) == ""
    server.run("up")
    assert "that of a newer version of tonne" in server.engine.explain("migrate")
    readings = "/v1/readings?facility=works&raw=true"
    until(
        lambda: '"value":200' in server.https(readings, *session),
        "what was published meanwhile is stored",
        explain=lambda: server.https(readings, *session),
    )
    assert send(200) == ""
    until(
        lambda: _TWICE_THE_RATE.search(server.https("/v1/live?facility=works", *session)),
        "200 kW at 0.2 kg/kWh are 40 kg an hour",
    )


def _named(command: list[str]) -> list[str]:
    """The command where the host's name leads to this machine."""
    return [
        *("unshare", "--mount", "sh", "-c"),
        (
            f'echo "127.0.0.1 {_HOST}" >/tmp/hosts.$$; mount --bind /tmp/hosts.$$ /etc/hosts;'
            ' rm /tmp/hosts.$$; exec "$@"'
        ),
        "sh",
        *command,
    ]


def _secrets_are_closed(server: _Server, password: str) -> None:
    root = server.deploy / "secrets"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "own-authority" / "ca.key").stat().st_mode) == 0o600
    secret = (root / "database_password").read_text()
    for log in root.parent.parent.glob("*.log"):
        assert secret not in log.read_text(), log
        assert password not in log.read_text(), log
    for running in server.engine.running.values():
        environment = Path(f"/proc/{running.pid}/environ")
        if environment.exists():
            assert secret not in environment.read_text()


def _a_change_that_the_broker_does_not_take_is_none(server: _Server) -> None:
    settings, users = (server.deploy / name for name in ("nats/tonne.conf", "secrets/nats_users"))
    good, before = settings.read_text(), users.read_text()
    settings.write_text(good + "nonsense {\n")
    why = server.refused("credentials", "works/meter")
    assert "NATS refuses its settings and goes on without the new accounts" in why
    assert "no account was made or changed" in why
    assert users.read_text() == before
    settings.write_text(good)


def _devices_show_certificates(
    server: _Server, publish: Callable[..., str], by_password: Sequence[str]
) -> Sequence[str]:
    """The server changes over, and with it every device; return what the meter shows."""
    passwords = server.secrets()
    told = server.run("up", "--devices", "certificates")
    assert "nobody comes in by a password" in told
    assert passwords.items() <= server.secrets().items()
    pids = {name: running.pid for name, running in server.engine.running.items()}

    def shown(device: str, into: str) -> list[str]:
        """What a device has been brought."""
        copy = server.deploy.parent / into
        shutil.copytree(server.deploy.parent / "authority" / "certificates" / device, copy)
        return ["--cert", str(copy / "certificate.pem"), "--key", str(copy / "key.pem")]

    meter, spare = shown("works.meter", "meter"), shown("works.spare", "spare")
    assert publish(100, *meter) == ""
    assert "rror" in publish(100, *by_password)
    assert "rror" in publish(100)
    assert "show certificates here" in server.refused("credentials", "works/meter")
    # another device's topic is dropped, as ever; the device itself is let in until it is revoked
    assert publish(100, *spare) == ""
    assert "works.spare" in server.run("revoke", "works/spare")
    assert "rror" in publish(100, *spare)
    # the broker knows the next one on return, and the one before until it ends
    assert "works.meter" in server.run("certificates", "works/meter")
    renewed = shown("works.meter", "renewed")
    assert renewed != meter
    assert publish(100, *renewed) == ""
    assert publish(100, *meter) == ""
    _the_servers_own_certificate_is_renewed(server)
    assert publish(100, *renewed) == ""
    after = {name: running.pid for name, running in server.engine.running.items()}
    assert {name for name in pids if pids[name] != after[name]} == {"caddy"}
    listed = server.run("tonne", "devices", "certificates", "--into", "/authority")
    # what was revoked is missing, so the renewal has made another one
    assert [line.split()[-1] for line in listed.splitlines() if "works.spare" in line] == [
        "revoked",
        "valid",
    ]
    # and what is left to do is nothing
    assert server.run("renew") == ""
    return renewed


def _the_servers_own_certificate_is_renewed(server: _Server) -> None:
    """In its last month, by what a timer runs; broker and HTTPS show the next one."""
    secrets = server.deploy / "secrets"
    own, certificate = secrets / "own-authority", secrets / "tls_certificate"
    asked = ["openssl", "req", "-new", "-key", str(secrets / "tls_key"), "-subj", f"/CN={_HOST}"]
    (own / "request").write_text(server.inside(*asked))
    certificate.chmod(0o644)
    ending = ["openssl", "x509", "-req", "-in", str(own / "request"), "-days", "3"]
    ending += ["-CA", str(own / "ca.crt"), "-CAkey", str(own / "ca.key"), "-set_serial", "7"]
    subprocess.run([*ending, "-out", str(certificate)], check=True, capture_output=True)
    assert "show the server's new certificate" in server.run("renew")
    for port in ("8883", "8443"):
        looking = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", _HOST]
        answer = server.inside("sh", "-c", '"$@" </dev/null', "sh", *looking)
        shown = answer[answer.index("-----BEGIN") : answer.index("-----END")]
        assert shown in certificate.read_text()


def _certificates_are_made(server: _Server) -> None:
    """By an authority of devices, whose keys nobody else reads; again: nothing is due."""
    assert "certificates DIRECTORY" in server.refused("up", "--devices", "certificates")
    authority = server.deploy.parent / "authority"
    made = server.run("certificates", str(authority))
    assert f"works.meter {authority}/certificates/works.meter" in made
    for name in ("works.meter", "tonne-ingest", "tonne-notify"):
        pair = authority / "certificates" / name
        chain = ["openssl", "verify", "-CAfile", str(authority / "authority.pem")]
        assert server.inside(*chain, str(pair / "certificate.pem")).endswith(": OK\n")
        assert stat.S_IMODE((pair / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(authority.stat().st_mode) == 0o700
    url = (authority / "backup-broker-url").read_text()
    password = url.removeprefix("nats://tonne-ingest:").partition("@")[0]
    assert len(password) > 20
    secrets = [password, *(path.read_text() for path in authority.rglob("*.key"))]
    assert server.run("certificates", "--facility", "works") == ""
    assert (authority / "backup-broker-url").read_text() == url
    logs = [log.read_text() for log in server.deploy.parent.glob("*.log")]
    assert not [secret for secret in secrets for text in (made, *logs) if secret in text]


def _signed_in(server: _Server, password: str) -> list[str]:
    form = json.dumps({"name": "admin", "password": password})
    answer = server.https(
        "/v1/sign-in",
        *("-X", "POST", "-H", "Content-Type: application/json", "-d", form),
        # as the page's own script sends it
        *("-H", f"Origin: https://{_HOST}", "-H", "Sec-Fetch-Site: same-origin"),
    )
    cookies = re.findall(r"^set-cookie: ([^;]+);.*$", answer, re.MULTILINE | re.IGNORECASE)
    assert cookies, answer
    return ["-H", f"Cookie: {'; '.join(cookies)}"]


def test_every_program_that_this_takes_is_here() -> None:
    for program in ("bwrap", "busybox", "curl", "ip", "mosquitto_pub", "nsenter", "openssl"):
        assert shutil.which(program), f"{program}: run deploy/local/bootstrap.sh test"
