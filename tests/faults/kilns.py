"""Three kilns whose limits are passed on purpose, the books of it, and the notifications of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psycopg

from tests.e2e.stack import Device, Service
from tests.patience import until
from tests.receivers import Webhook

FACILITY = "kilns"
KILNS = ("kiln-a", "kiln-b", "kiln-c")
MINUTE = timedelta(minutes=1)
#: kg CO2 an hour: a quarter of the power in kW
LIMIT = 100.0
CALM_KW, BREACH_KW = 40.0, 4000.0

_ALERTS = """
SELECT t.slug, a.id, a.fired_at, a.resolved_at
FROM alert a JOIN threshold t ON t.id = a.threshold_id
WHERE a.undone_at IS NULL ORDER BY a.id
"""

_WAITING = """
SELECT (SELECT count(*) FROM touched)
     + (SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND abandoned_at IS NULL)
"""


def facility_file(webhook: str) -> str:
    """A gauge, a source and a limit for each; data may come a day late."""
    gauge = {"quantity": "power", "unit": "kW", "kind": "gauge", "max_gap": 60}
    return json.dumps(
        {
            "facility": {"id": FACILITY, "name": "Kilns", "timezone": "UTC"},
            "devices": [{"id": "kilns", "channels": [{"id": kiln, **gauge} for kiln in KILNS]}],
            "factors": [
                {"id": "k", "unit": "kWh", "co2_kg": 0.25, "valid_from": "2020-01-01",
                 "citation": "a round figure"}
            ],
            "sources": [
                {"id": kiln, "scope": 2, "method": "activity", "input": f"kilns.{kiln}",
                 "factor": "k", "lateness": "24h"}
                for kiln in KILNS
            ],
            "thresholds": [
                {"id": kiln, "source": kiln, "measure": "rate", "above": LIMIT} for kiln in KILNS
            ],
            "notify": [{"mqtt": False}, {"webhook": webhook}],
        }
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What differs from the books; a promise kept is zeros but for ``twice``."""

    #: breaches that nobody was notified of, or whose end nobody was
    missed: int
    #: alerts that the books know nothing of
    invented: int
    #: an end before its beginning
    disordered: int
    #: a second delivery with another key or body
    unlike: int
    #: messages that came more than once
    twice: int

    @property
    def clean(self) -> bool:
        return not (self.missed or self.invented or self.disordered or self.unlike)


class Works(Protocol):
    """What kilns run on."""

    @property
    def aggregator(self) -> Service:
        """The process that raises alerts."""

    @property
    def notifier(self) -> Service:
        """The process that tells of them."""

    @property
    def database_url(self) -> str:
        """URL of its database."""

    @property
    def mqtt_url(self) -> str:
        """Where devices publish."""

    def apply(self, *files: Path) -> None:
        """Write facility files into the registry."""

    def readings(self) -> int:
        """How many readings are stored."""


@dataclass(kw_only=True)
class Kilns:
    """The kilns on a running stack."""

    stack: Works
    hook: Webhook
    since: datetime
    #: by kiln: the minutes in which it began to breach, and those in which that ended
    breaches: dict[str, list[tuple[int, int | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def found(self, directory: Path) -> None:
        """Apply the facility file; its limits judge from ``since`` on."""
        file = directory / "kilns.yaml"
        file.write_text(facility_file(self.hook.url))
        self.stack.apply(file)
        with self.connect() as connection:
            connection.execute("UPDATE threshold SET in_force_from = %s", (self.since,))
            connection.execute("UPDATE registry_revision SET revision = revision + 1")
        # ingest looks at the registry once a second
        until(lambda: self.publish(0, ()) or self.stack.readings() >= len(KILNS), "it is known")

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.stack.database_url, autocommit=True)

    def publish(self, minute: int, breaching: Iterable[str]) -> None:
        """Readings of all kilns at the beginning of a minute."""
        chosen = set(breaching)
        values = {kiln: BREACH_KW if kiln in chosen else CALM_KW for kiln in KILNS}
        for kiln in KILNS:
            history = self.breaches[kiln]
            breaches = bool(history) and history[-1][1] is None
            # one that is above its limit already goes on with the same breach
            if kiln in chosen and not breaches:
                history.append((minute, None))
            elif breaches and kiln not in chosen:
                history[-1] = (history[-1][0], minute)
        body = {"ts": (self.since + minute * MINUTE).isoformat(), "values": values}
        with Device(self.stack.mqtt_url) as device:
            device.publish(f"emissions/{FACILITY}/kilns/readings", json.dumps(body))

    @property
    def quiet(self) -> bool:
        """Whether everything is in the totals and everything is sent."""
        with self.connect() as connection:
            row = connection.execute(_WAITING).fetchone()
        booked = [each for history in self.breaches.values() for each in history]
        alerts = self.alerts()
        return (
            row is not None
            and row[0] == 0
            and len(alerts) >= len(booked)
            and sum(ended is not None for *_, ended in alerts)
            >= sum(ended is not None for _, ended in booked)
        )

    def alerts(self) -> list[tuple[str, int, datetime, datetime | None]]:
        """The alerts that stand: threshold, id, fired, resolved."""
        with self.connect() as connection:
            return connection.execute(_ALERTS).fetchall()

    def compare(self) -> Findings:
        """Hold what was sent against the books."""
        kinds: defaultdict[int, list[str]] = defaultdict(list)
        first: dict[str, Any] = {}
        twice = unlike = 0
        for body in self.hook.taken:
            if body["key"] in first:
                twice += 1
                unlike += first[body["key"]] != body
                continue
            first[body["key"]] = body
            kinds[body["id"]].append(body["kind"])
        booked = {
            (kiln, self.since + begin * MINUTE, None if end is None else self.since + end * MINUTE)
            for kiln, history in self.breaches.items()
            for begin, end in history
        }
        alerts = {(kiln, fired, ended): i for kiln, i, fired, ended in self.alerts()}
        sent = [kinds[alerts[each]] if each in alerts else [] for each in booked]
        return Findings(
            missed=sum(sorted(each) != ["firing", "resolved"] for each in sent),
            invented=len(alerts.keys() - booked),
            disordered=sum(each[:1] == ["resolved"] for each in sent),
            unlike=unlike,
            twice=twice,
        )


def now() -> datetime:
    """The minute that runs."""
    return datetime.now(UTC).replace(second=0, microsecond=0)
