from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from deploy.cluster import namespaces, parts
from deploy.cluster.front import Front
from deploy.cluster.machine import Machine
from deploy.local import nats_server
from deploy.local.postgres_server import SUPERUSER
from deploy.local.problem import StackError
from services.cli.device_accounts import INGEST
from services.core.runtime import broker_url
from services.core.store.database.connect import check_standby_url, check_url
from tests.examples import ROOT, examples_of


@pytest.fixture
def places(tmp_path: Path) -> parts.Places:
    storing = [Machine(f"store-{n}", 10 + n, tmp_path / f"store-{n}") for n in (1, 2, 3)]
    for machine in storing:
        machine.directory.mkdir()
    return parts.Places(
        storing=storing,
        databases=storing[:2],
        passwords=nats_server.prepare(tmp_path / "accounts"),
    )


def test_every_server_is_in_the_urls_that_processes_get(places: parts.Places) -> None:
    check_url(places.database_url)
    assert "10.73.0.11:5432,10.73.0.12:5432" in places.database_url
    servers = broker_url.parse(places.broker_url("nats", INGEST)).servers()
    assert [server.address for server in servers] == [
        "10.73.0.11:4222",
        "10.73.0.12:4222",
        "10.73.0.13:4222",
    ]
    assert {server.password for server in servers} == {places.passwords.ingest}


def test_apis_alone_read_from_a_standby(places: parts.Places, tmp_path: Path) -> None:
    stated = {
        word: dict(parts.service(places.storing[0], word, places, tmp_path).environment)
        for word in ("ingest", "aggregator", "notifier", "api")
    }
    assert [word for word, of in stated.items() if "TONNE_API_READS_URL" in of] == ["api"]
    url = check_standby_url(stated["api"]["TONNE_API_READS_URL"])
    assert url == places.database_url.replace("=read-write", "=standby")


def test_nats_reads_the_settings_of_a_cluster(places: parts.Places, tmp_path: Path) -> None:
    one = places.storing[0]
    program = parts.nats(one, places.storing, tmp_path, tmp_path / "accounts", "a" * 32)
    read = subprocess.run(
        [*program.command, "-t"],
        env=dict(program.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode == 0, read.stderr
    assert "is valid" in read.stderr


def test_the_page_has_what_patroni_is_told_here(places: parts.Places, tmp_path: Path) -> None:
    (example,) = (
        each
        for each in examples_of(ROOT / "deploy/docs/operate/cluster.md")
        if each.mark == "not run, settings of Patroni"
    )
    written = YAML(typ="safe", pure=True).load(example.text)
    told = parts.patroni_settings(places.storing[0], places.storing, tmp_path)
    assert set(written) == set(told)
    assert written["bootstrap"]["dcs"] == told["bootstrap"]["dcs"]
    # who the superuser is, and that nobody asks for its password, is of these namespaces
    own = [{"username": SUPERUSER}, {"auth": "trust"}]
    assert [*written["bootstrap"]["initdb"], *own] == told["bootstrap"]["initdb"]
    lost = {name: value for name, value in told["postgresql"].items() if "remove_" in name}
    assert lost.items() <= written["postgresql"].items()


def test_all_databases_run_one_copy_of_patroni_that_their_user_cannot_change(
    places: parts.Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed, scratch = tmp_path / "installed", tmp_path / "scratch"
    (installed / "patroni").mkdir(parents=True)
    (installed / "patroni" / "__init__.py").touch()
    scratch.mkdir()
    monkeypatch.setattr(namespaces, "PATRONI", installed)
    packages = parts.patroni_packages(scratch)
    programs = [
        parts.patroni(machine, places.storing, tmp_path, packages) for machine in places.databases
    ]
    assert {program.environment["PYTHONPATH"] for program in programs} == {str(packages)}
    assert [file.parent.parent for file in scratch.rglob("__init__.py")] == [packages]
    for machine in places.databases:
        assert list(machine.directory.rglob("__init__.py")) == []
    copied = [packages, *packages.rglob("*")]
    assert {file.stat().st_uid for file in copied} == {os.geteuid()}


def test_a_machine_without_namespaces_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "_SYSTEM_PATH", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"unshare is missing; run deploy/local/bootstrap\.sh"):
        namespaces.check()
    for name in ("unshare", "nsenter", "ip", "nft", "etcd"):
        program = tmp_path / name
        program.write_text(
            "#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2\nexit 1\n"
        )
        program.chmod(0o755)
    monkeypatch.setattr(namespaces, "PATRONI", tmp_path / "patroni")
    with pytest.raises(StackError, match=r"Patroni is missing; run deploy/local/bootstrap\.sh"):
        namespaces.check()
    namespaces.PATRONI.mkdir()
    with pytest.raises(StackError, match=r"Operation not permitted.*as root or with sudo"):
        namespaces.check()


def test_the_front_leads_to_a_server_that_is_there() -> None:
    gone, server, listens = socket.socket(), socket.socket(), socket.socket()
    for bound in (gone, server, listens):
        bound.bind(("127.0.0.1", 0))
    server.listen()
    listens.listen()

    def answer() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100).upper())

    answering = threading.Thread(target=answer, daemon=True)
    answering.start()
    front = Front(listens, [gone.getsockname(), server.getsockname()])
    try:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", front.port), timeout=30) as client:
                client.sendall(b"there")
                assert client.recv(100) == b"THERE"
                # its other end closing closes it
                assert client.recv(100) == b""
    finally:
        front.close()
        for bound in (gone, server):
            bound.close()
        answering.join()
