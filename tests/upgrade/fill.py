"""What a small installation lives through in a week, said to any version from outside.

It speaks by commands, topics and the HTTP API alone, so that older versions can be filled too; what
one of them does not know, it refuses, and goes without.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.patience import PATIENCE_S, pauses, until
from tests.upgrade import rarities
from tests.upgrade.version import Version

FACILITIES = Path(__file__).parent / "facilities"

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

#: Hours of readings by the minute, and days of those by the hour.
_HOURS, _DAYS = 5, 6

Message = tuple[str, object]

#: What came to facility files later, and is not what a file is about.
_LATER_KEYS = re.compile(
    r", (?:full_scale|maximum_potential): \d+|^    pollutants:\n(?:      .*\n)+"
    r"|^maintenance:\n.*\n",
    re.MULTILINE,
)

#: What is not computed or closed yet, and how much has arrived.
_WAITING = """
SELECT (SELECT count(*) FROM touched)
       + (SELECT count(*) FROM emission_hour WHERE NOT final AND hour < %s),
       (SELECT count(*) FROM reading) + (SELECT count(*) FROM quarantine)
       + (SELECT count(*) FROM emission_hour_history)
"""


class Devices:
    """Publishes as devices do, and returns once the broker has everything."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="devices")
        self._client.connect(at.hostname or "", at.port or 1883)
        self._client.loop_start()

    def publish(self, messages: Iterator[Message] | list[Message]) -> int:
        """Publish with QoS 1; return how many."""
        sent = [
            self._client.publish(
                topic, body if isinstance(body, bytes) else json.dumps(body), qos=1
            )
            for topic, body in messages
        ]
        for message in sent:
            message.wait_for_publish(PATIENCE_S)
        return len(sent)

    def close(self) -> None:
        """Leave the broker."""
        self._client.loop_stop()
        self._client.disconnect()


def _topic(facility: str, device: str) -> str:
    return f"emissions/{facility}/{device}/readings"


def minutes(begins: datetime, count: int, *, every: timedelta = MINUTE) -> Iterator[Message]:
    """Every device that speaks each minute, so many times."""
    for i in range(count):
        ts = (begins + i * every).isoformat()
        # a register of the time since a fixed day rises as time does, whenever it begins
        age_h = (begins + i * every - datetime(2026, 1, 1, tzinfo=UTC)) / HOUR
        power = round(12 + 4 * math.sin(i / 30), 3)
        yield _topic("works", "meter"), {"ts": ts, "values": {"energy": 10 * age_h, "power": power}}
        yield _topic("works", "gas-meter"), {"ts": ts, "values": {"volume": 20 * age_h}}
        flow = 100_000 + 500 * (i % 7)
        yield _topic("works", "cems"), {"ts": ts, "values": {"co2": 8 + i % 3, "flow": flow}}
        kiln = {"co2": 200 + i % 5, "flow": 100_000, "o2": 6, "nox": 90 + i % 40}
        yield _topic("kiln", "cems"), {"ts": ts, "values": kiln}
        local = (begins + i * every + 8 * HOUR).strftime("%Y-%m-%dT%H:%M:%S")
        yield "tele/pow1/SENSOR", {"Time": local, "ENERGY": {"Total": 2 * age_h}}


def _hours(begins: datetime, count: int) -> Iterator[Message]:
    for i in range(count):
        ts = (begins + i * HOUR).isoformat()
        values = {"grid": 100 + i % 24, "pv": max(0, 60 - 10 * abs(12 - i % 24))}
        yield _topic("mill", "meter"), {"ts": ts, "values": values}
        yield _topic("mill", "scale"), {"ts": ts, "values": {"billets": 1000 * i}}
        for quarter in range(1, 5):
            at = (begins + i * HOUR + quarter * 15 * MINUTE).isoformat()
            yield _topic("works", "meter"), {"ts": at, "values": {"quarter": 3.25}}


def _troubles(now: datetime) -> list[Message]:
    """What quarantine, discovery and the alerts of devices are for."""
    ts = (now - 10 * MINUTE).isoformat()
    return [
        ("emissions/works/meter/status", b"online"),
        (_topic("works", "meter"), b"{not json"),
        (_topic("works", "meter"), {"ts": ts, "values": {"unheard-of": 1}}),
        (_topic("works", "meter"), {"ts": "1970-01-01T00:00:00Z", "values": {"power": 1}}),
        # another value at a time that has one
        (_topic("works", "meter"), {"ts": (now - 2 * HOUR).isoformat(), "values": {"power": 99}}),
        (_topic("works", "meter"), {"ts": (now - 2 * HOUR).isoformat(), "values": {"power": 98}}),
        *(("shellies/new-plug/emeter/0/total", str(1000 + i).encode()) for i in range(3)),
        ("tele/new-sensor/SENSOR", {"Time": ts[:19], "ENERGY": {"Total": 5.5, "Power": 100}}),
    ]


class Story:
    """A week of an installation; ``refused`` has what this version did not take, and why."""

    def __init__(self, version: Version, now: datetime) -> None:
        self.version = version
        self.now = now
        self.refused: list[str] = []
        #: of a gateway of the works
        self.key = ""
        self.hour = now.replace(minute=0, second=0, microsecond=0)
        self.facilities = FACILITIES
        self.devices = Devices(version.mqtt_url)
        self._connection = psycopg.connect(version.database_url, autocommit=True)

    def command(self, *words: str, given: str = "", **settings: str) -> str:
        """Run a command."""
        ended = self.version.run(*words, given=given, **settings)
        if ended.returncode != 0:
            lines = (ended.stderr or ended.stdout).strip().splitlines() or ["nothing was said"]
            self.refused.append(f"tonne {' '.join(words[:3])}: {lines[-1]}")
        return ended.stdout

    def call(self, method: str, path: str, body: object) -> None:
        """Send a body to the API."""
        if self.version.send(method, path, body) is None:
            self.refused.append(f"{method} {path}")

    def apply(self, name: str, text: str) -> None:
        """Apply a facility file, or one of an organisation."""
        file = self.version.directory / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")
        if not self.command("apply", str(file)):
            # as its first versions took it
            file.write_text(_LATER_KEYS.sub("", text), encoding="utf-8")
            self.command("apply", str(file))

    def count(self, table: str) -> int:
        """Count the rows of a table; of one that this version does not have, none."""
        row = self._connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL", (f"public.{table}",)
        ).fetchone()
        if row != (True,):
            return 0
        counted = self._connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608
        return counted[0] if counted else 0

    def expect(self, table: str) -> None:
        """Wait until a table has rows; a version that makes none goes without."""
        for pause_s in pauses(4 * PATIENCE_S, longest_s=0.5):
            if self.count(table) > 0:
                return
            time.sleep(pause_s)
        self.refused.append(f"no rows in {table}")

    def settle(self) -> None:
        """Wait until everything is taken in and computed, and old hours are closed."""
        seen: list[int] = []

        def settled() -> bool:
            ((waiting, rows),) = self._connection.execute(
                _WAITING, (self.hour - 2 * HOUR,)
            ).fetchall()
            seen.append(rows)
            return waiting == 0 and len(seen) > 5 and len(set(seen[-5:])) == 1

        until(settled, "hours are closed", 4 * PATIENCE_S, longest_pause_s=1)

    def set_up(self) -> None:
        """Make the schema, apply what there is, and let people in."""
        self.command("migrate")
        since = f"since: {self.hour - 30 * 24 * HOUR:%Y-%m-%d}"
        for name in ("works", "mill", "kiln", "group"):
            text = (FACILITIES / f"{name}.yaml").read_text(encoding="utf-8")
            # each of its hours would be one of the year
            self.apply(name, text.replace("since: 2026-01-02", since))
        rarities.apply(self)
        self.command("keys", "create", "grafana")
        self.key = rarities.key_of(
            self.command("keys", "create", "gateway", "--scope", "write", "--facility", "works")
        )
        self.command("users", "create", "anna", "--role", "admin", "--password-stdin",
                     given="correct horse battery staple\n")  # fmt: skip
        self.command("topics", "grant", "kiln", "tele/#")

    def live(self) -> None:
        """Devices publish what they have, some of it late; people put it right."""
        hour = self.hour
        self.devices.publish(_hours(hour - _DAYS * 24 * HOUR, _DAYS * 24))
        by_minute = list(minutes(hour - _HOURS * HOUR, _HOURS * 60 + self.now.minute))
        # an hour of every kind comes late, when its hour is closed
        late = by_minute[300:600]
        self.devices.publish(by_minute[:300] + by_minute[600:])
        self.settle()
        self.devices.publish(late)
        self.devices.publish(_troubles(hour))
        self.devices.publish(rarities.messages(self))
        self._people(hour)
        rarities.sparkplug(self)
        rarities.old_readings(self)
        self.settle()

    def _people(self, hour: datetime) -> None:
        at = (hour - 3 * HOUR).isoformat().replace("+00:00", "Z")
        upto = (hour - 3 * HOUR + 5 * MINUTE).isoformat().replace("+00:00", "Z")
        for alert in (self.version.get("/v1/alerts") or [])[:1]:
            self.call("POST", f"/v1/alerts/{alert['id']}/ack", {"comment": "seen, we look"})
        self.call(
            "POST",
            "/v1/readings",
            [
                {
                    "facility": "works",
                    "device": "meter",
                    "ts": hour.isoformat(),
                    "values": {"power": 1},
                }
            ],
        )
        self.devices.publish(
            [("emissions/mill/factors/grid-at/values", {"values": [{"hour": at, "co2_kg": 0.31}]})]
        )
        self.command("readings", "discard", "--device", "works/meter", "--channel", "power",
                     "--from", at, "--to", upto, "--reason", "in service", "--yes")  # fmt: skip
        bills = self.version.directory / "bills.csv"
        day = f"{hour - 24 * HOUR:%Y-%m-%d}"
        bills.write_text(
            "id,channel,from,to,amount,unit,document\n"
            f"F-1,books.flights,{day},,1000,pkm,ticket 1\n"
            f"F-2,books.flights,{day},,500,pkm,ticket 2\n"
            f"H-1,books.heat,{hour - 96 * HOUR:%Y-%m-%d},{day},2.8,MWh,bill 1\n"
        )
        self.command("activities", "import", str(bills), "--facility", "mill")
        self.command(
            "activities", "withdraw", "F-2", "--facility", "mill", "--reason", "twice", "--yes"
        )
        history = self.version.directory / "history.csv"
        history.write_text(
            "time,facility,device,channel,value\n"
            + "".join(
                f"{(hour - (20 * 24 - i) * HOUR).isoformat()},mill,meter,grid,{90 + i % 20}\n"
                for i in range(5 * 24)
            )
        )
        self.command("import", str(history))
        self.command("factors", "import", str(self._factors()))
        self.command("quarantine", "replay", "--reason", "conflict", "--accept")
        works = (FACILITIES / "works.yaml").read_text()
        changed = self.version.directory / "works.yaml"
        # another factor: the year's hours are restated, with the reason
        changed.write_text(works.replace("co2_kg: 0.20", "co2_kg: 0.21"))
        self.command("apply", str(changed))
        self.command("remove", "kiln", "--reason", "sold")
        self.command("archive", "--to", str(self.version.directory / "archive"))

    def _factors(self) -> Path:
        path = self.version.directory / "factors.csv"
        path.write_text(
            "id,unit,co2_kg,valid_from,citation\nother-grid,kWh,0.33,2026-01-01,imported\n"
        )
        return path

    def close(self) -> None:
        """Let the devices leave."""
        self._connection.close()
        self.devices.close()


def tell(version: Version) -> Story:
    """Fill a database by all services of a version; they have ended when it returns."""
    now = datetime.now(UTC)
    story = Story(version, now)
    story.set_up()
    # the broker keeps what is published only for a session that it knows
    with version.serving("ingest", "aggregate", "notify", "api", **rarities.packing(story)):
        until(lambda: version.get("/readyz") is not None, "every process works")
        story.live()
        story.settle()
    rarities.people(story, story.key)
    rarities.move(story)
    rarities.grow_old(story)
    rarities.leave_work(story)
    story.close()
    return story
