"""What the tests of the deployment files read: the repository, its compose file, tonne's API."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
from ruamel.yaml import YAML

from services.api.specification import PATH

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))

#: ``${NAME:?reason}`` or ``${NAME:-default}``
_VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def read_yaml(path: Path) -> Any:
    """A YAML file, merge keys resolved."""
    return YAML(typ="safe").load(path)


@cache
def services() -> dict[str, dict[str, Any]]:
    """The services of the compose file."""
    found: dict[str, dict[str, Any]] = read_yaml(COMPOSE)["services"]
    return found


def own_services() -> dict[str, dict[str, Any]]:
    """Those that run tonne's own image."""
    return {name: service for name, service in services().items() if "build" in service}


def with_defaults(text: str) -> str:
    """``text`` as compose reads it where no variable is set; one without default stays."""
    return _VARIABLE.sub(lambda m: m[3] if m[2] == "-" else m[0], text)


def mounts(service: dict[str, Any]) -> dict[str, Path]:
    """What of the repository is mounted: path in the container -> path here."""
    found = {}
    for volume in service.get("volumes", []):
        host, container = with_defaults(volume).split(":")[:2]
        if host.startswith("."):
            found[container] = (DEPLOY / host).resolve()
    return found


@cache
def openapi() -> dict[str, Any]:
    """The API's specification, as it is committed: a test compares it with the code's."""
    return dict(json.loads(PATH.read_text(encoding="utf-8")))


def commands(app: typer.Typer) -> dict[str, str]:
    """Every command, ``group command`` where it is in a group, with the first line of its help."""
    found: dict[str, str] = {}

    def walk(command: Any, path: str) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[path] = command.help.strip().splitlines()[0]
            return
        for name, child in children.items():
            walk(child, f"{path} {name}".strip())

    walk(typer.main.get_command(app), "")
    return found
