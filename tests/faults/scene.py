"""What a round of hard states is played with, and what can be set off in it."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, LiteralString, Protocol

import httpx
import psycopg

from tests.command import tonne
from tests.e2e.stack import Device
from tests.faults.bodies import written
from tests.faults.books import Books, Entry
from tests.faults.facility import FACILITY, entries, late_entries
from tests.faults.files import commands
from tests.faults.kilns import KILNS, Kilns
from tests.faults.publisher import Publisher
from tests.faults.rounds import settled, wait_until_quiet
from tests.faults.state_world import StateWorld
from tests.forked import Forked
from tests.patience import PATIENCE_S, until
from tests.services import Postgres

_MESSAGES: Final = 60
_MESSAGES_PER_S: Final = 400.0

#: Each round has a day of its own, so that nothing of it is packed yet: 2024-03-01T00:00Z.
_FIRST_DAY: Final = 19_783
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000

#: What waits to be closed is looked at.
_CLOSE: Final = "UPDATE facility_progress SET hours_wait = true"
_CLOSE_WORKS: Final = f"{_CLOSE} FROM facility f WHERE f.id = facility_id AND f.slug = %s"
_LOOK: Final = "SELECT pg_notify('tonne_touched', 'all')"
_OPEN_HOURS: Final = """
SELECT count(*) FROM emission_hour h JOIN source s ON s.id = h.source_id
JOIN facility f ON f.id = s.facility_id WHERE NOT h.final AND f.slug IN ('faults', 'factors')
"""
#: Of the facility whose factor is corrected.
_HOURS_PUBLISHED: Final = 3
_FACTOR_HOURS: Final = """
SELECT (SELECT count(*) FROM emission_hour h JOIN source s ON s.id = h.source_id
        JOIN facility f ON f.id = s.facility_id WHERE f.slug = 'factors')
     + (SELECT coalesce(sum(p.hours), 0)::int FROM packed_hours p
        JOIN source s ON s.id = p.source_id
        JOIN facility f ON f.id = s.facility_id WHERE f.slug = 'factors')
"""
_ROWS: Final = """
SELECT count(*) FROM reading r JOIN channel c ON c.id = r.channel_id
JOIN device d ON d.id = c.device_id WHERE d.slug IN ('f-meter', 'f-cems')
"""
_REFUSED: Final = "SELECT count(*) FROM quarantine WHERE state = 'open'"

#: A facility apart, whose totals are held against ``tonne verify`` alone.
FACTORS: Final = "factors"
_FACTOR_FILE: Final = """
facility: {{id: factors, name: A factor that is corrected, timezone: UTC}}
devices:
  - id: x-meter
    channels:
      - {{id: energy, quantity: energy, unit: kWh, kind: interval, length: 1h, stamp: start,
         range: [0, 1000]}}
factors:
  - {{id: x-grid, unit: kWh, co2_kg: {kg}, citation: "correction {number}"}}
sources:
  - {{id: x, scope: 2, method: activity, input: x-meter.energy, factor: x-grid}}
"""

_AGAIN: Final = "again"


class Process(Protocol):
    """What can be killed."""

    def kill(self) -> None:
        """End it without warning."""


@dataclass
class Scene:
    """One world, its books, and the round that is played."""

    world: StateWorld
    publisher: Publisher
    books: Books
    kilns: Kilns
    number: int = 0
    dice: random.Random = field(default_factory=random.Random)
    #: minutes of the kilns' data that were published
    kiln_minute: int = 0
    corrections: int = 0
    #: messages that belong into quarantine
    refused: int = 0
    complaints: list[str] = field(default_factory=list)
    _command: Forked | None = None
    _calls: list[threading.Thread] = field(default_factory=list)

    def begin(self, number: int, dice: random.Random) -> None:
        """Turn to the next round."""
        self.number, self.dice = number, dice
        self.complaints.clear()
        self._calls.clear()

    def near_end(self, wire: str) -> Process:
        """The process that talks on a wire."""
        if wire == "command":
            assert self._command is not None
            return self._command
        return self.world.near_end(wire)

    @property
    def begin_ms(self) -> int:
        """When the round's data begin."""
        return (_FIRST_DAY + self.number) * _DAY_MS

    # -- what sets something off --------------------------------------------------------------

    def publish(self) -> None:
        """Begin to publish the round's readings."""
        self.publisher.send(FACILITY, self.entries(), _MESSAGES_PER_S)

    def entries(self) -> list[Entry]:
        """The round's readings."""
        return list(entries(self.number, _MESSAGES, self.dice, begin_ms=self.begin_ms))

    def publish_late(self) -> None:
        """Begin to publish readings between those of this round."""
        late = late_entries(self.books, 10, self.dice, after_ms=self.begin_ms)
        self.publisher.send(FACILITY, list(late), _MESSAGES_PER_S)

    def publish_twice(self) -> None:
        """Begin to publish what was acknowledged once more: a gateway that lost its memory."""
        self.publisher.send(FACILITY, self.books.entries(after_ms=self.begin_ms), _MESSAGES_PER_S)

    def post(self) -> None:
        """Begin to send the round's readings by HTTP, until a 200 answers for them."""
        told = self.entries()
        headers, body = written(told, self.dice)
        self._call(lambda: self._post(told, headers, body))

    def import_file(self) -> None:
        """Begin to import the round's readings from a file, until that has ended well."""
        told = self.entries()
        words = commands(self.world.directory, "import", told, self.dice)
        self._call(lambda: self._until_it_ends_well(words, told))

    def refuse(self) -> None:
        """Publish what nobody can read."""
        self.refused += 1
        with Device(self.world.mqtt_url) as device:
            device.publish(f"emissions/{FACILITY}/f-meter/readings", b"{%d" % self.number)

    def let_close(self) -> None:
        """Let what is open be closed."""
        with self.world.connect() as connection:
            connection.execute(_CLOSE)
            connection.execute(_LOOK)

    def let_works_close(self) -> None:
        """Let what is open of the works be closed, and of no other facility."""
        with self.world.connect() as connection:
            connection.execute(_CLOSE_WORKS, (FACILITY,))
            connection.execute(_LOOK)

    def breach(self) -> None:
        """Let a kiln pass its limit."""
        self.kiln_minute += 4
        self.kilns.publish(self.kiln_minute, self.dice.sample(KILNS, 1))

    def calm(self) -> None:
        """Let all kilns be below their limits again."""
        self.kilns.publish(self.kiln_minute + 2, ())

    def publish_hours(self) -> None:
        """Publish some hours of the facility whose factor is corrected."""
        with Device(self.world.mqtt_url) as device:
            for hour in range(_HOURS_PUBLISHED):
                reading = {"ts": self.begin_ms + hour * _HOUR_MS, "values": {"energy": 10 + hour}}
                device.publish(f"emissions/{FACTORS}/x-meter/readings", json.dumps(reading))

    def correct_factor(self) -> None:
        """Begin to apply a facility file with another factor, until that has ended well."""
        words = ("apply", str(self.next_factors()))
        self._call(lambda: self._until_it_ends_well(words, ()))

    def next_factors(self) -> str:
        """Write the facility file with another factor."""
        self.corrections += 1
        kg = round(0.2 + self.corrections / 1000, 3)
        path = self.world.directory / "factors.yaml"
        path.write_text(_FACTOR_FILE.format(kg=kg, number=self.corrections))
        return str(path)

    def migrate(self) -> None:
        """Begin to migrate an empty database, until that has ended well."""
        self.world.postgres.execute(f'DROP DATABASE IF EXISTS "{_AGAIN}" WITH (FORCE)')
        self.world.postgres.execute(f'CREATE DATABASE "{_AGAIN}"')
        self._call(lambda: self._until_it_ends_well(("migrate",), (), database=_AGAIN))

    def ask(self) -> None:
        """Begin to ask the API for what is live, until it answers."""
        self._call(self._ask)

    # -- what is waited for -------------------------------------------------------------------

    def quiet(self) -> str:
        """Wait until everything is stored and added up; return what never happened."""
        for thread in self._calls:
            thread.join()
        stuck = wait_until_quiet(self.world, self.publisher, self.books)
        if not stuck and self.refused:
            until(lambda: self._count(_REFUSED) >= self.refused, "what was refused lies apart")
        return stuck

    def settle(self) -> None:
        """Publish and wait until it is added up."""
        self.publish()
        stuck = self.quiet()
        assert not stuck, stuck

    def settle_hours(self) -> None:
        """Do so for the facility whose factor is corrected."""
        before = self._count(_FACTOR_HOURS)
        self.publish_hours()
        until(
            lambda: self._count(_FACTOR_HOURS) >= before + _HOURS_PUBLISHED and settled(self.world),
            "its hours are there",
            longest_pause_s=0.05,
        )

    def settle_closed(self) -> None:
        """Publish and wait until its hours are closed."""
        self.settle()
        self.close_all()

    def settle_packed(self) -> None:
        """Publish and wait until all of it is packed."""
        self.settle_closed()
        until(lambda: self._count(_ROWS) == 0, "what is settled is packed", longest_pause_s=0.05)

    def settle_breach(self) -> None:
        """Let a kiln pass its limit and wait until that is sent."""
        self.breach()
        until(lambda: self.kilns.quiet, "the breach is sent", longest_pause_s=0.05)

    def close_all(self) -> None:
        """Let everything be closed, and wait for it."""
        self.let_close()
        until(lambda: self._count(_OPEN_HOURS) == 0, "hours are closed", longest_pause_s=0.05)

    def begin_notifier(self) -> None:
        """Start the notifier anew: it takes each recipient when something is due."""
        self.world.notifier.kill()
        self.world.notifier.start()

    def begin_aggregator(self) -> None:
        """Start the aggregator anew: it remembers no reading."""
        self.world.aggregator.kill()
        self.world.aggregator.start()

    # -- what has to hold ---------------------------------------------------------------------

    def alerts_are_right(self) -> None:
        """Let a breach end, and hold what was sent against the books."""
        if any(ended is None for *_, ended in self.kilns.alerts()):
            self.calm()
        until(lambda: self.kilns.quiet, "everything is sent", longest_pause_s=0.05)
        findings = self.kilns.compare()
        if not findings.clean:
            self.complaints.append(str(findings))

    def hours_are_right(self) -> None:
        """Let everything be closed, and every hour be computed again."""
        self.close_all()
        until(lambda: settled(self.world), "all is added up", longest_pause_s=0.05)
        self.hours_add_up()

    def hours_add_up(self) -> None:
        """Compute every hour again, whatever else is at work."""
        answer = json.loads(tonne(self.world.database_url, "verify", "--json").stdout)
        if answer["differ"]:
            self.complaints.append(f"tonne verify names {answer['differs'][:3]}")

    def hours_are_restated(self) -> None:
        """Find in the round's hours a second version, beside what holds of every hour."""
        self.hours_are_right()
        begin, end = (
            datetime.fromtimestamp(ms / 1000, UTC).isoformat()
            for ms in (self.begin_ms, self.begin_ms + _DAY_MS)
        )
        asked = {"facility": FACILITY, "from": begin, "to": end}
        url = f"{self._api_url}/v1/restatements"
        answer = self._until_answered(lambda: httpx.get(url, params=asked, timeout=20))
        if not answer.json():
            self.complaints.append("no hour of the round has a second version")

    def schema_is_whole(self) -> None:
        """Hold the migrated database against the one that is in use."""
        with (
            self.world.connect() as one,
            psycopg.connect(self.world.postgres.url_of(_AGAIN), autocommit=True) as other,
        ):
            look = "SELECT version_num, (SELECT count(*) FROM pg_class) FROM alembic_version"
            versions = [connection.execute(look).fetchone() for connection in (one, other)]
        if versions[0] is None or versions[1] is None or versions[0][0] != versions[1][0]:
            self.complaints.append(f"schemas {versions}")
        self.world.postgres.execute(f'DROP DATABASE "{_AGAIN}" WITH (FORCE)')

    def refusal_of(self, damaged: Postgres) -> str:
        """Verify a database that is damaged; return what that says, empty if it finds nothing."""
        ended = tonne(damaged.url, "verify")
        lines = [line for line in ended.said.splitlines() if line.strip()]
        return lines[-1].strip()[:160] if ended.code and lines else ""

    # -- how ----------------------------------------------------------------------------------

    def _count(self, statement: LiteralString, *parameters: object) -> int:
        try:
            with self.world.connect() as connection:
                row = connection.execute(statement, parameters or None).fetchone()
        except psycopg.OperationalError:
            return -1
        return int(str(row[0])) if row else 0

    def _call(self, work: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - told with the round
                self.complaints.append(repr(error))

        thread = threading.Thread(target=run, daemon=True)
        self._calls.append(thread)
        thread.start()

    def _post(self, told: list[Entry], headers: dict[str, str], body: bytes) -> None:
        url = f"{self._api_url}/v1/readings?precision=ms"
        self._until_answered(lambda: httpx.post(url, content=body, headers=headers, timeout=10))
        for entry in told:
            self.books.acknowledged(entry)

    def _ask(self) -> None:
        url = f"{self._api_url}/v1/live?facility={FACILITY}"
        answer = self._until_answered(lambda: httpx.get(url, timeout=20))
        if answer.json()["facility"] != FACILITY:
            self.complaints.append(answer.text)

    @property
    def _api_url(self) -> str:
        return f"http://127.0.0.1:{self.world.service('api').port}"

    @staticmethod
    def _until_answered(ask: Callable[[], httpx.Response]) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                answer = ask()
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == httpx.codes.OK:
                return answer
            # what cannot be done now is said so, and to be tried again
            assert answer.status_code in {409, 429, 503}, answer.text
            time.sleep(0.1)
        raise AssertionError("no answer by HTTP")

    def _until_it_ends_well(
        self, words: tuple[str, ...], told: tuple[Entry, ...] | list[Entry], *, database: str = ""
    ) -> None:
        own = self.world.postgres
        url = own.url_of(database) if database else own.url
        by_wire = url.replace(f":{own.port}/", f":{self.world.wire('command').port}/")
        log = self.world.directory / "command.log"
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with log.open("ab") as out:
                self._command = Forked(
                    words,
                    environment={**os.environ, "TONNE_DATABASE_URL": by_wire},
                    stdout=out.fileno(),
                )
                code = self._command.wait(PATIENCE_S)
            if code == 0:
                for entry in told:
                    self.books.acknowledged(entry)
                return
            time.sleep(0.1)
        raise AssertionError(log.read_text(errors="replace")[-2000:])


def verified(url: str) -> int:
    """Return how many hours ``tonne verify`` computes otherwise than they are stored."""
    return int(json.loads(tonne(url, "verify", "--json").stdout)["differ"])
