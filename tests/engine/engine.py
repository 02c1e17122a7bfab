"""Does what ``docker compose`` does with deploy/compose.yaml, as far as deploy/server.sh asks.

It reads the compose file itself: there is no second description. What it lacks beside an engine is
in the docstrings of :mod:`.sandbox` and :mod:`.images`; limits of memory and CPU are not set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.engine import images
from tests.engine.sandbox import Container, Running, write_names
from tests.patience import until
from tests.repository.files import read_yaml

#: A machine that does other things too starts eight programs at once.
_PATIENCE_S = 240.0

#: Directory or file of the machine, its path in the container, and whether that can write it.
Mount = tuple[Path, str, bool]

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


class Engine:
    """The containers of one compose file, in a network of their own; :meth:`close` ends them."""

    def __init__(self, deploy: Path, directory: Path) -> None:
        """``deploy``: a copy of the folder deploy, whose compose file is run."""
        self._deploy, self._directory = deploy, directory
        self._services: dict[str, dict[str, Any]] = {}
        self._secrets: dict[str, Any] = {}
        self._read([deploy / "compose.yaml"])
        self._images: dict[str, images.Image] = {}
        self._completed: set[str] = set()
        self.running: dict[str, Running] = {}
        self.network = f"tonne-{os.getpid()}"
        self._hosts = write_names(directory, list(self._services))
        subprocess.run(["ip", "netns", "add", self.network], check=True)
        subprocess.run(["ip", "-n", self.network, "link", "set", "lo", "up"], check=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "docker.sock"))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """End everything; the database last."""
        self._listener.close()
        for name in sorted(self.running, key=lambda name: name == "timescaledb"):
            self.running[name].stop()
        subprocess.run(["ip", "netns", "delete", self.network], check=True)

    # ---- what `docker` is asked for

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                asked = json.loads(stream.readline())
                try:
                    answer = self._do(asked["words"], asked["input"])
                except BaseException as error:  # noqa: BLE001 - the script has to hear of it
                    answer = {"out": "", "err": f"{type(error).__name__}: {error}\n", "code": 1}
                stream.write(json.dumps(answer).encode() + b"\n")

    def _read(self, files: Sequence[Path]) -> None:
        """Put the files together as compose does: mappings by name, mounts by where they are."""
        self._services, self._secrets = {}, {}
        for document in map(read_yaml, files):
            self._secrets |= document["secrets"]
            for name, service in document["services"].items():
                self._services[name] = _merged(self._services.get(name, {}), service)

    def _do(self, words: list[str], text: str) -> dict[str, Any]:
        words.pop(0)
        files = []
        while words[0] == "-f":
            files.append(Path(words[1]))
            del words[:2]
        self._read(files)
        match words:
            case ["build"]:
                self._images = {"tonne": images.tonne(self._directory), **images.others()}
            case ["up", "-d", "--wait"]:
                self.up()
            case ["run", "--rm", *rest]:
                # nobody sits at a terminal here, with -T or without
                match rest[1:] if rest[0] == "-T" else rest:
                    case ["-v", volume, service, *command]:
                        return self._run(service, command, text, mounts=[_mount(volume)])
                    case [service, *command]:
                        return self._run(service, command, text)
            case ["exec", "-T", service, *command]:
                done = self.running[service].run(command)
                return {"out": done.stdout, "err": done.stderr, "code": done.returncode}
            case ["kill", "-s", "HUP", service]:
                self.running[service].signal(signal.SIGHUP)
            case ["restart", service]:
                self.running[service].stop()
                self._start(service)
            case other:
                raise NotImplementedError(other)
        return {"out": "", "err": "", "code": 0}

    def up(self) -> None:
        """Start what does not run, in order, and wait until all of it is healthy."""
        names = [
            name
            for name, service in self._services.items()
            if "profiles" not in service and name not in images.MISSING
        ]
        self._completed.clear()
        for name in names:
            self._start(name)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._await_health, names))

    def _run(
        self, service: str, command: Sequence[str], text: str, mounts: Sequence[Mount] = ()
    ) -> dict[str, Any]:
        for other, how in self._services[service]["depends_on"].items():
            self._start(other)
            self._await(other, how["condition"])
        container = self._container(service, command, mounts)
        reading, writing = os.pipe()
        done = subprocess.run(
            [
                *("ip", "netns", "exec", self.network),
                *container.bubblewrap(self._hosts, writing),
            ],
            pass_fds=[writing],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        os.close(writing)
        os.close(reading)
        return {"out": done.stdout, "err": done.stderr, "code": done.returncode}

    # ---- containers

    def _start(self, name: str) -> None:
        known = self.running.get(name)
        if known is not None and known.ended() is None:
            if known.container == self._container(name):
                return
            # as compose does with what is described in another way
            known.stop()
        if name in self._completed:
            return
        for other, how in self._services[name].get("depends_on", {}).items():
            self._start(other)
            self._await(other, how["condition"])
        self.running[name] = Running(
            self._container(name),
            network=self.network,
            hosts=self._hosts,
            log=self._directory / f"{name}.log",
        )
        if self._services[name]["restart"] == "no":
            self._await(name, "service_completed_successfully")

    def _await(self, name: str, condition: str) -> None:
        if condition == "service_healthy":
            self._await_health(name)
        elif name not in self._completed:
            # an engine waits for it without an end, and `migrate` makes a whole schema
            until(
                lambda: self.running[name].ended() is not None,
                f"{name} ends",
                _PATIENCE_S,
                explain=lambda: self.explain(name),
            )
            assert self.running[name].ended() == 0, self.explain(name)
            self._completed.add(name)

    def _await_health(self, name: str) -> None:
        test = self._services[name].get("healthcheck", {}).get("test")
        if test is None:
            return
        test = [self._filled(word) for word in test]

        def healthy() -> bool:
            assert self.running[name].ended() is None, self.explain(name)
            return self.running[name].healthy(test)

        until(healthy, f"{name} is healthy", _PATIENCE_S, explain=lambda: self.explain(name))

    def explain(self, name: str) -> str:
        """The end of what a service said."""
        return f"{name}: {(self._directory / f'{name}.log').read_text()[-3000:]}"

    def _container(
        self, name: str, command: Sequence[str] | None = None, mounts: Sequence[Mount] = ()
    ) -> Container:
        service = self._services[name]
        image = self._images[service["image"].split("@")[0].rpartition(":")[0] or service["image"]]
        words = command if command is not None else service.get("command", ())
        entrypoint = service.get("entrypoint", image.entrypoint)
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        return Container(
            name=name,
            image=image,
            user=service["user"],
            command=tuple(self._filled(word) for word in (*entrypoint, *words)),
            environment=self._environment(service),
            mounts=[*self._volumes(service, image), *self._secret_files(service), *mounts],
            tmpfs=service["tmpfs"],
        )

    def _environment(self, service: dict[str, Any]) -> dict[str, str]:
        variables = {
            name: self._filled(str(value)) for name, value in service.get("environment", {}).items()
        }
        for file in service.get("env_file", []):
            path = self._deploy / file["path"]
            if path.exists():
                variables |= _variables(path)
        return variables

    def _filled(self, text: str) -> str:
        settings = _variables(self._deploy / ".env")

        def value(match: re.Match[str]) -> str:
            return "$" if match[1] is None else settings.get(match[1]) or match[2] or ""

        return _VARIABLE.sub(value, text)

    def _volumes(self, service: dict[str, Any], image: images.Image) -> list[Mount]:
        mounts = []
        for volume in service.get("volumes", []):
            source, target, *mode = self._filled(volume).split(":")
            path = (self._deploy / source).resolve()
            if not source.startswith("."):
                path = self._directory / "volumes" / source
                if not path.exists():
                    path.mkdir(parents=True, mode=0o755)
                    owner = image.owners.get(target, 0)
                    os.chown(path, owner, owner)
                    path.chmod(0o755 if owner == 0 else 0o700)
            mounts.append((path, target, mode != ["ro"]))
        return mounts

    def _secret_files(self, service: dict[str, Any]) -> list[Mount]:
        files = []
        for entry in service.get("secrets", []):
            name = entry if isinstance(entry, str) else entry["source"]
            target = f"/run/secrets/{name}" if isinstance(entry, str) else entry["target"]
            files.append((self._deploy / self._secrets[name]["file"], target, False))
        return files


def _merged(service: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Lay one file's words on a service over those of another file."""
    both = {**service, **other}
    if "environment" in service and "environment" in other:
        both["environment"] = service["environment"] | other["environment"]
    if "secrets" in service and "secrets" in other:
        both["secrets"] = [*service["secrets"], *other["secrets"]]
    if "volumes" in service and "volumes" in other:
        by_target = {volume.split(":")[1]: volume for volume in service["volumes"]}
        by_target |= {volume.split(":")[1]: volume for volume in other["volumes"]}
        both["volumes"] = list(by_target.values())
    return both


def _mount(volume: str) -> Mount:
    source, target = volume.split(":")
    return Path(source), target, True


def _variables(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


def copy_of_deploy(target: Path, source: Path) -> Path:
    """Copy the folder deploy as a checkout has it, without what was made in it."""
    ignored = shutil.ignore_patterns(".env", "secrets", "__pycache__", "docs", "local", "*.env")
    shutil.copytree(source, target, ignore=ignored)
    return target
