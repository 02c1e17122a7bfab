"""A command loads what it needs and nothing else; the list of commands loads none of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("does", "spared"),
    [
        ("services.cli.app(['--help'])", {"pydantic", "psycopg", "sqlalchemy", "numpy"}),
        (
            "import services.cli.keys",
            {"alembic", "ruamel", "fastapi", "msgspec", "sqlalchemy.orm"},
        ),
        (
            "import services.cli.processes, services.ingest.app",
            {"alembic", "fastapi", "ruamel", "bcrypt", "nats", "sqlalchemy.orm"},
        ),
        (
            "import services.cli.processes, services.aggregator.app",
            {"alembic", "fastapi", "paho", "ruamel", "sqlalchemy.orm"},
        ),
        (
            "import services.cli.processes, services.notify.app",
            {"alembic", "fastapi", "nats", "sqlalchemy.orm"},
        ),
        ("import services.cli.processes, services.api.app", {"alembic", "paho", "nats"}),
        ("import deploy.local.stack", {"sqlalchemy", "psycopg", "numpy", "bcrypt"}),
    ],
    ids=["help", "keys", "ingest", "aggregate", "notify", "api", "local stack"],
)
def test_what_is_not_needed_is_not_loaded(does: str, spared: set[str]) -> None:
    program = (
        "import atexit, gc, json, sys\n"
        # as tonne itself loads; see services.cli.on_demand
        "gc.disable()\n"
        "import services.cli\n"
        "atexit.register(lambda: sys.stderr.write(json.dumps(list(sys.modules))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program + does], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stderr))
    assert loaded & spared == set()


def test_each_command_can_be_loaded_alone() -> None:
    """Nothing that another command happened to load may be missing where it is the only one."""
    # what others wrote is loaded once: each of these takes longer than all of a command's own
    program = (
        "import gc, os\n"
        "gc.disable()\n"
        "import alembic.command, duckdb, fastapi, numpy, polars, psycopg, pyarrow\n"
        "import pydantic_settings, ruamel.yaml, sqlalchemy.ext.asyncio, structlog\n"
        "from importlib import import_module\n"
        "from services.cli import PARTS\n"
        "for name in sorted({part.module for part in PARTS.values()}):\n"
        "    if (pid := os.fork()) == 0:\n"
        "        import_module(name)\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0, name\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
