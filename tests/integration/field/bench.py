"""A bench for inputs from the field: a facility file, messages as a broker hands them on, totals.

Everything between is the real thing but for the broker: ingest's steps, the database, the
aggregator's ticks. Time is the test's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.aggregator.head import Head
from services.aggregator.tick import tick
from services.core.runtime.shutdown import Shutdown
from services.core.store.database.connect import connect, engine
from services.core.store.readings import replays
from services.core.store.readings.replays import ReplayRequest, Selection
from services.core.store.registry.plan import facility_plans
from services.ingest.alone import Alone
from services.ingest.arrivals import Arrivals
from services.ingest.database import Database
from services.ingest.prepare import TimeBounds, prepare
from services.ingest.quarantine.allowance import Allowance
from services.ingest.quarantine.replay import Replay
from services.ingest.resolve import RegistryCache
from services.ingest.sources.source import Message
from services.ingest.write import Outcome, write
from tests import applying

_BOUNDS = TimeBounds(
    oldest=datetime(2000, 1, 1, tzinfo=UTC),
    future_tolerance=timedelta(minutes=5),
    alone_after=timedelta(days=400),
)


class FieldBench:
    """One database with whatever facilities a test applies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection: psycopg.Connection[dict[str, Any]] = psycopg.connect(
            url, autocommit=True, row_factory=dict_row
        )
        self._database = Database(url, Shutdown())
        self._registry = RegistryCache()
        self._allowance = Allowance()
        self._alone = Alone(self._database, _BOUNDS.alone_after)
        self._arrivals = Arrivals()

    def close(self) -> None:
        self._database.close()
        self.connection.close()

    def apply(self, text: str | Path, *, by: str | None = None) -> list[str]:
        """Apply a facility file as ``tonne apply`` does; returns what it says."""
        if isinstance(text, Path):
            text = text.read_text()
        return applying.apply_text(self.url, text, by=by)

    def deliver(
        self,
        messages: Iterable[tuple[str, str | bytes]],
        *,
        at: datetime,
        retained: bool = False,
        told: bool = False,
        redelivered: bool = False,
        spaced: timedelta = timedelta(0),
    ) -> Outcome:
        """Take messages (topic, payload) through ingest as one batch that arrived at ``at``.

        ``told``: the broker says when it stored them.
        ``spaced``: how far after the one before each arrived.
        """
        batch = [
            Message(
                topic=topic,
                payload=payload.encode() if isinstance(payload, str) else payload,
                received_at=at + k * spaced,
                stored_at=at + k * spaced if told else None,
                token=None,
                retained=retained,
                redelivered=redelivered,
            )
            for k, (topic, payload) in enumerate(messages)
        ]
        self._database.run(lambda connection, _tried: self._registry.refresh(connection))
        prepared = prepare(batch, self._registry.directory, _BOUNDS, self._arrivals)
        if prepared.old:
            prepared = self._alone.sift(prepared)
        outcome = write(self._database, prepared, self._allowance)
        self._alone.settle(self._registry.directory)
        return outcome

    def replay(
        self,
        *,
        facility: str | None = None,
        chosen: Selection | None = None,
        accept: bool = False,
    ) -> ReplayRequest:
        """Try what is open in quarantine again, as ``tonne quarantine replay`` asks for."""
        chosen = chosen or Selection(facilities=None if facility is None else (facility,))
        bind = engine(self.url, process="test")
        try:
            with bind.begin() as connection:
                asked = replays.submit(
                    connection, chosen, accept=accept, by="user berta", note=None
                )
            self.serve_replays()
            with bind.begin() as connection:
                found = connection.execute(replays.select_request(asked)).mappings().one()
        finally:
            bind.dispose()
        return replays.request(dict(found))

    def serve_replays(self) -> None:
        """Work off what replays wait, as ingest does between two batches."""
        self._database.run(lambda connection, _tried: self._registry.refresh(connection))
        served = Replay(self._database, _BOUNDS, self._alone)
        served.step(self._registry.directory)
        while served.busy:
            served.step(self._registry.directory)

    def settle(self, now: datetime) -> None:
        """Tick every facility as at ``now`` until nothing is left to do."""
        with connect(self.url, process="test", autocommit=True) as connection:
            for plan in facility_plans(connection).values():
                recent = Head()
                while tick(connection, plan, now, recent).worked:
                    pass

    def deliver_and_close(self, messages: Iterable[tuple[str, str]], now: datetime) -> None:
        """Take messages in, and close what is due at ``now``."""
        self.deliver(messages, at=now)
        self.settle(now)
        # what changed has come to rest
        self.connection.execute(
            "UPDATE emission_hour SET known_at = known_at - interval '1 minute'"
        )
        self.settle(now + timedelta(minutes=1))

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        return self.connection.execute(sql.encode(), parameters).fetchall()

    def readings(
        self, channel: str, *, facility: str | None = None
    ) -> list[tuple[datetime, float | None, int]]:
        """Time, value and quality of what is stored of ``device.channel``, in order.

        ``facility``: whose, where several have a device of that name.
        """
        found = self.rows(
            "SELECT r.ts, r.value, r.quality FROM reading r JOIN channel c ON c.id = r.channel_id"
            " JOIN device d ON d.id = c.device_id JOIN facility f ON f.id = d.facility_id"
            " WHERE d.slug || '.' || c.slug = %s AND f.slug = coalesce(%s, f.slug) ORDER BY r.ts",
            channel,
            facility,
        )
        return [(row["ts"], row["value"], row["quality"]) for row in found]

    def hours(self, source: str, *, facility: str | None = None) -> list[dict[str, Any]]:
        """The hours of a source in order: hour, kg CO2, activity, coverage, quality, reason."""
        return self.rows(
            "SELECT h.hour, h.co2_ug / 1e9 AS co2_kg, h.activity_n / 1e9 AS activity,"
            " h.covered_ms / 3.6e6 AS coverage, h.quality, h.reason, h.version"
            " FROM emission_hour h JOIN source s ON s.id = h.source_id"
            " JOIN facility f ON f.id = s.facility_id"
            " WHERE s.slug = %s AND f.slug = coalesce(%s, f.slug) ORDER BY h.hour",
            source,
            facility,
        )

    def total(self, source: str, *, facility: str | None = None) -> tuple[float, float]:
        """Activity and kg CO2 of a source over all its hours."""
        hours = self.hours(source, facility=facility)
        return (
            float(sum(h["activity"] or 0 for h in hours)),
            float(sum(h["co2_kg"] or 0 for h in hours)),
        )

    def quarantine(self) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM quarantine ORDER BY id")
