"""What a command lists can be read by programs, cut by `head`, and commands no terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.command import Ended, tonne
from tests.integration.aggregator.plant import apply_text
from tests.patience import PATIENCE_S

TONNE = Path(sys.executable).with_name("tonne")
ROOT = Path(__file__).parents[3]
LONG = "\x1b[31m" + "so long that no terminal has a line for it " * 12


def run(url: str, *arguments: str) -> str:
    return run_both(url, *arguments).stdout


def run_both(url: str, *arguments: str) -> Ended:
    """Run a command that succeeds; return what it printed, to stdout and stderr."""
    done = tonne(url, *arguments)
    assert done.code == 0, done.stderr
    return done


@pytest.fixture
def url(database_url: str) -> str:
    apply_text(database_url)
    run(database_url, "keys", "create", "screen", "--expires", "2036-01-01")
    run(database_url, "topics", "grant", "works", "tele/#")
    run(database_url, "secrets", "grant", "works", "TONNE_SECRET_HOOK")
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility)"
            " VALUES ('bad_topic', %s, 'a', 'b', 'works')",
            [LONG],
        )
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT id, '2026-11-23T18:00:00Z', 1.5, 0, now(), 0 FROM channel"
            " WHERE slug = 'energy'"
        )
    return database_url


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        (("keys", "list"), "expires", "2036-01-01T00:00:00Z"),
        (("topics", "list"), "topic", "tele"),
        (("secrets", "list"), "secret", "TONNE_SECRET_HOOK"),
        (("quarantine", "list"), "detail", LONG),
        (("factors", "list", "grid-gb"), "id", "grid-gb"),
        (("readings", "list", "--device", "meter", "--channel", "energy"), "value", 1.5),
    ],
)
def test_a_list_is_json_for_programs(
    url: str, arguments: tuple[str, ...], key: str, value: object
) -> None:
    rows = json.loads(run(url, *arguments, "--json"))
    assert rows[0][key] == value


@pytest.mark.parametrize(
    "arguments",
    [("alerts", "waiting"), ("readings", "discarded", "--device", "meter", "--channel", "energy")],
)
def test_a_list_of_nothing_is_an_empty_array(url: str, arguments: tuple[str, ...]) -> None:
    assert json.loads(run(url, *arguments, "--json")) == []


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        (("quarantine", "list"), "there are older ones; use --limit to show more than 1"),
        (("readings", "list", "--device", "meter", "--channel", "energy"), "there are later ones"),
        (
            ("readings", "discarded", "--device", "meter", "--channel", "energy"),
            "there are earlier discarded ones",
        ),
        (("alerts", "waiting"), "there are newer ones"),
    ],
)
def test_a_list_says_when_there_is_more_and_json_says_so_beside_the_array(
    url: str, arguments: tuple[str, ...], rest: str
) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO quarantine (reason, detail, topic, payload, facility)"
            " VALUES ('bad_topic', 'b', 'a', 'b', 'works')"
        )
        connection.execute(
            "INSERT INTO reading (channel_id, ts, value, quality, received_at, time_source)"
            " SELECT channel_id, ts + interval '1 s', value, quality, received_at, time_source"
            " FROM reading"
        )
        connection.execute(
            "INSERT INTO discarded_reading (channel_id, ts, value, quality, received_at,"
            " time_source, discarded_by, reason)"
            " SELECT channel_id, ts, value, quality, received_at, time_source, 'a', 'b'"
            " FROM reading"
        )
        connection.execute(
            "INSERT INTO outbox (facility_id, kind, target, lane, body, key)"
            " SELECT id, 'test', 'mqtt', i::text, '{}', i::text"
            " FROM facility, generate_series(1, 2) AS i"
        )
    listed = run_both(url, *arguments, "--limit", "1", "--json")
    assert len(json.loads(listed.stdout)) == 1
    assert rest in listed.stderr
    assert rest in run(url, *arguments, "--limit", "1")
    whole = run_both(url, *arguments, "--limit", "2", "--json")
    assert (len(json.loads(whole.stdout)), whole.stderr) == (2, "")


def test_what_is_no_terminal_gets_whole_lines_without_commands(url: str) -> None:
    listed = run(url, "quarantine", "list")
    assert "\x1b" not in listed
    assert LONG.removeprefix("\x1b").strip() in listed


@pytest.mark.parametrize("arguments", [("quarantine", "list"), ("factors", "list", "grid-gb")])
def test_what_is_no_terminal_gets_no_line_filled_with_spaces(
    url: str, arguments: tuple[str, ...]
) -> None:
    lines = run(url, *arguments).splitlines()
    assert any(line.startswith("    ") for line in lines)
    assert [line for line in lines if line.endswith("  ")] == []


@pytest.mark.parametrize("command", ["factors list --shipped", "schema", "quarantine list"])
def test_a_command_ends_cleanly_when_nobody_reads_on(url: str, command: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{TONNE} {command} | head -c 1"],
        env={"TONNE_DATABASE_URL": url, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert len(done.stdout) == 1
    assert done.stderr == ""


def test_commands_print_through_what_escapes() -> None:
    raw = [
        f"{path.name}: {line.strip()}"
        for path in sorted((ROOT / "services/cli").glob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(typer\.(echo|secho)|(?<![\w.])print)\(", line) and path.name != "say.py"
    ]
    assert raw == []
