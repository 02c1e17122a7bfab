"""The aggregator is killed at each step of judging, the notifier while it marks what it told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.stack import Device, Stack, wait_for
from tests.e2e.test_kills import nothing_written_to, stuck

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(120)]

MINUTE = timedelta(minutes=1)
#: where the aggregator is killed, and what it was about to tell
STEPS = (
    ("alert_transition", "firing"),
    ("alert", "resolved"),
    ("threshold_state", "firing"),
    ("outbox", "resolved"),
)
FILE = """
facility: {id: kilns, name: Kilns, timezone: UTC}
devices:
  - id: kiln
    channels: [{id: power, quantity: power, unit: kW, kind: gauge, max_gap: 60}]
factors:
  - {id: k, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: a}
sources:
  - {id: kiln, scope: 2, method: activity, input: kiln.power, factor: k}
thresholds:
  - {id: hot, source: kiln, measure: rate, above: 100}
notify:
  - {mqtt: false}
  - {webhook: HOOK}
"""


@contextmanager
def receiver(told: list[dict[str, Any]]) -> Iterator[str]:
    """A webhook on this machine that keeps what it was told."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch_from(stack: Stack, since: datetime) -> None:
    """Let the thresholds judge minutes from before they were stated."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("UPDATE threshold SET in_force_from = %s", (since,))
        connection.execute("UPDATE registry_revision SET revision = revision + 1")


def kinds(stack: Stack) -> list[str]:
    with psycopg.connect(stack.database_url) as connection:
        return [row[0] for row in connection.execute("SELECT kind FROM outbox ORDER BY id")]


def waiting(stack: Stack) -> int:
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
        ).fetchone()
    return 0 if row is None else int(row[0])


def test_every_breach_is_told_and_its_end_after_it_whoever_is_killed(
    stack: Stack, tmp_path: Path
) -> None:
    told: list[dict[str, Any]] = []
    since = datetime.now(UTC).replace(second=0, microsecond=0) - 12 * MINUTE
    notifier = stack.notifier
    notifier.kill()
    with receiver(told) as hook, Device(stack.mqtt_url) as kiln:
        (tmp_path / "kilns.yaml").write_text(FILE.replace("HOOK", hook))
        stack.apply(tmp_path / "kilns.yaml")
        watch_from(stack, since)
        expected: list[str] = []

        def publish(minute: int, kw: float) -> None:
            ts = (since + minute * MINUTE).isoformat()
            kiln.publish(
                "emissions/kilns/kiln/readings", json.dumps({"ts": ts, "values": {"power": kw}})
            )

        publish(0, 40)
        # beyond the limit in one minute, and back in the next
        for minute, (table, kind) in enumerate(STEPS, start=1):
            with nothing_written_to(stack, table):
                publish(minute, 4000 if kind == "firing" else 40)
                wait_for(lambda: stuck(stack, "tonne.aggregator"), f"{table} is written")
                stack.aggregator.kill()
            assert kinds(stack) == expected
            stack.aggregator.start()
            expected.append(kind)
            wait_for(lambda: kinds(stack) == expected, f"{kind} is to be told")

        with psycopg.connect(stack.database_url) as connection:
            connection.execute("SELECT FROM outbox FOR UPDATE")
            notifier.start()
            # told, and killed before it could write so down
            wait_for(lambda: told, "the first is told")
            wait_for(lambda: stuck(stack, "tonne.notify"), "the notifier marks it")
            notifier.kill()
            # what it had sent to the database is lost on the way
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'tonne.notify'"
            )
            wait_for(lambda: not stuck(stack, "tonne.notify"), "it is lost")
        notifier.start()
        wait_for(lambda: waiting(stack) == 0, "everything is told")

    once = list({message["key"]: message for message in told}.values())
    assert len(told) > len(once), "the one that was told and not marked is told again"
    for message in told:
        assert message in once, "a second delivery says what the first one did"
    assert [message["kind"] for message in once] == expected
    for alert in {message["id"] for message in once}:
        assert [m["kind"] for m in once if m["id"] == alert] == ["firing", "resolved"]
