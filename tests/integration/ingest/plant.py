"""A small facility, an ingest process of its own, and what both leave in the database."""

from __future__ import annotations

import os
import signal
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests import applying
from tests.contract.ingest.brokers import PatientNats, is_left
from tests.contract.ingest.traffic import publish
from tests.forked import Forked
from tests.patience import PATIENCE_S, until
from tests.services import Server, as_login

FILE = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter-grid
    channels:
      - {id: import-energy, quantity: energy, unit: kWh, kind: counter, max_rate: 5000}
      - {id: import-power, quantity: power, unit: kW, kind: gauge, max_gap: 120}
  - id: cems-1
    channels:
      - {id: co2, quantity: fraction, unit: "%", kind: gauge, basis: wet, range: [0, 25]}
      - {id: flow, quantity: volume_flow, unit: scf/h, kind: gauge, basis: wet}
"""

METER = "emissions/linz/meter-grid/readings"
CEMS = "emissions/linz/cems-1/readings"

_LINES_OF_LOG = 15


@dataclass
class Plant:
    """Everything of one test; processes that still run at its end are killed."""

    database: str
    broker: Server
    #: where ingest finds the broker
    url: str
    log: Path
    client_id: str = field(default_factory=lambda: f"ingest-{uuid.uuid4().hex[:8]}")
    process: Forked | None = None
    #: what the broker may hold for this one and those that were made of it
    sessions: set[str] = field(default_factory=set)
    _connection: psycopg.Connection[dict[str, Any]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.sessions.add(self.client_id)

    @property
    def state(self) -> dict[str, Any]:
        """What ingest last said of itself: nothing at first, so waits use ``get``."""
        found = self.rows("SELECT state FROM process_progress ORDER BY progressed_at DESC LIMIT 1")
        return dict(found[0]["state"]) if found else {}

    @property
    def at_work(self) -> int:
        """How many ingest processes have taken messages."""
        (row,) = self.rows(
            "SELECT count(*) FROM process_progress WHERE (state->>'messages')::int > 0"
        )
        return int(row["count"])

    def apply(self, text: str = FILE) -> None:
        applying.apply_text(self.database, text)

    def start(self, **settings: str | None) -> None:
        """Start ingest; returns at once. None takes a setting away."""
        environment = {
            "TONNE_DATABASE_URL": as_login(self.database, "tonne_ingest"),
            "TONNE_MQTT_URL": self.url,
            "TONNE_MQTT_CLIENT_ID": self.client_id,
            "TONNE_INGEST_METRICS_PORT": "0",
            "TONNE_LOG_FORMAT": "json",
            # the tests' readings are of one week years ago, and each may be a batch of its own
            "TONNE_ALONE_AFTER_DAYS": "0",
            **settings,
        }
        with self.log.open("ab") as log:
            self.process = Forked(
                ["ingest"],
                environment={
                    **os.environ,
                    **{name: value for name, value in environment.items() if value is not None},
                },
                stdout=log.fileno(),
            )

    def started(self, **settings: str | None) -> None:
        """Start ingest and wait until it listens."""
        before = self.said("listening at the broker")
        self.start(**settings)
        until(
            lambda: self.said("listening at the broker") > before or self.exited,
            "ingest is connected",
            explain=self.shown,
        )
        assert not self.exited, self.log.read_text()

    @property
    def exited(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop ingest and return its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)

    def leave(self) -> None:
        """Stop ingest, the only one at its broker, so that what is published now waits there."""
        assert self.end() == 0
        broker = self.broker
        assert isinstance(broker, PatientNats)
        until(lambda: is_left(broker.nats_url), "NATS has heard of the end")

    def kill(self) -> None:
        """Make sure that ingest does not run."""
        self._leave()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait(self) -> int:
        """Wait for ingest to end by itself and return its exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    def said(self, text: str) -> int:
        """How many lines of the log hold ``text``."""
        if not self.log.exists():
            return 0
        return sum(text in line for line in self.log.read_text().splitlines())

    def shown(self) -> str:
        """What there is, for a test that waits in vain."""
        entries = self.rows(
            "SELECT reason, state, count(*) AS entries FROM quarantine GROUP BY 1, 2 ORDER BY 1, 2"
        )
        log = self.log.read_text().splitlines() if self.log.exists() else []
        counted = f"{self.count('reading')} readings, quarantine: {entries}"
        return "\n".join([counted, f"state: {self.state}", *log[-_LINES_OF_LOG:]])

    def publish(self, *payloads: str | bytes, topic: str = METER, **options: Any) -> None:
        encoded = [p.encode() if isinstance(p, str) else p for p in payloads]
        publish(self.broker.port, [(topic, p) for p in encoded], **options)

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        # one connection for all that a test looks at; another where a test killed the database
        if self._connection is not None:
            try:
                return self._connection.execute(sql.encode(), parameters).fetchall()
            except psycopg.OperationalError:
                if not self._connection.broken:
                    raise
                self._leave()
        self._connection = psycopg.connect(self.database, autocommit=True, row_factory=dict_row)
        return self._connection.execute(sql.encode(), parameters).fetchall()

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def readings(self) -> list[tuple[str, datetime, float | None, int]]:
        """Channel, time, value and quality of every stored reading."""
        found = self.rows(
            "SELECT c.slug, r.ts, r.value, r.quality FROM reading r"
            " JOIN channel c ON c.id = r.channel_id ORDER BY c.slug, r.ts"
        )
        return [tuple(row.values()) for row in found]

    def quarantine(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM quarantine ORDER BY id")

    def holds(self, *, readings: int | None = None, quarantine: int | None = None) -> None:
        """Wait until the database holds so much."""
        if readings is not None:
            self._holds("reading", readings)
        if quarantine is not None:
            self._holds("quarantine", quarantine)

    def _holds(self, table: str, number: int) -> None:
        until(lambda: self.count(table) >= number, f"{number} rows in {table}", explain=self.shown)
        assert self.count(table) == number, self.shown()

    def count(self, table: str) -> int:
        (row,) = self.rows(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name of this module
        return int(row["count"])
