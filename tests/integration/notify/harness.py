"""A notifier in this process over a database of its own, and messages for it to tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from services.core.facility.model import Notify
from services.core.facility.recipients import targets_of
from services.core.runtime.settings import Settings
from services.core.runtime.steady_time import SteadyTime
from services.core.store.alerts import writer
from services.core.store.database.connect import connect
from services.core.store.database.progress import ProgressReporter
from services.notify.app import ways
from services.notify.channel import Channel
from services.notify.homeassistant.announcer import Announcer
from services.notify.loop import Notifier
from services.notify.resolve import SystemResolver
from tests.integration.aggregator.plant import FILE, apply_text
from tests.patience import PATIENCE_S, pauses

#: Nobody listens there: what is told over MQTT fails at once.
_NO_BROKER = "mqtt://127.0.0.1:1"


@dataclass(frozen=True, kw_only=True)
class Works:
    """The facility ``works`` with its recipients."""

    url: str
    connection: psycopg.Connection[Any]
    facility_id: int
    targets: list[str]

    def tell(self, *kinds: str, threshold: str = "high", **body: Any) -> list[str]:
        """Decide that an alert of a threshold is to be told; return the messages' keys."""
        keys = []
        with self.connection.transaction():
            for kind in kinds:
                threshold_id, alert_id = self._alert(threshold, new=kind == "firing")
                key = f"works/{threshold}/{alert_id}/{len(keys)}/{kind}"
                keys.append(key)
                told = {"id": alert_id, "threshold": threshold, "severity": "critical", **body}
                writer.enqueue(
                    self.connection,
                    self.facility_id,
                    self.targets,
                    [
                        {
                            "kind": kind,
                            "lane": f"works/{threshold}",
                            "alert_id": alert_id,
                            "body": told,
                            "key": key,
                        }
                    ],
                )
                assert threshold_id
        return keys

    def _alert(self, slug: str, *, new: bool) -> tuple[int, int]:
        run = self.connection.execute
        run(
            "INSERT INTO threshold (facility_id, slug, origin, version, spec, in_force_from)"
            " VALUES (%s, %s, 'api', 1, '{}', now()) ON CONFLICT DO NOTHING",
            (self.facility_id, slug),
        )
        found = run("SELECT id FROM threshold WHERE slug = %s", (slug,)).fetchone()
        assert found is not None
        if new:
            run(
                "INSERT INTO alert (facility_id, threshold_id, threshold_version, state,"
                " projected, started_at, fired_at, limit_value, data_version, told)"
                " VALUES (%s, %s, 1, 'firing', false, now(), now(), 1, 1, true)",
                (self.facility_id, found[0]),
            )
        alert = run("SELECT max(id) FROM alert WHERE threshold_id = %s", (found[0],)).fetchone()
        assert alert is not None
        return found[0], alert[0]

    def outbox(self, columns: str = "kind, tries, last_error") -> list[tuple[Any, ...]]:
        return self.connection.execute(
            f"SELECT {columns} FROM outbox ORDER BY id"  # noqa: S608 - named in the tests
        ).fetchall()

    def waiting(self) -> int:
        return len([row for row in self.outbox("delivered_at") if row[0] is None])


Make = Callable[[str], Works]


def works_of(url: str, notify: str) -> Works:
    """Apply the facility with the entries of ``notify``, in YAML."""
    apply_text(url, f"{FILE}notify: {notify}\n")
    connection = connect(url, process="test", autocommit=True)
    row = connection.execute("SELECT id, document -> 'notify' FROM facility").fetchone()
    assert row is not None
    return Works(
        url=url,
        connection=connection,
        facility_id=row[0],
        targets=targets_of(Notify.model_validate(entry) for entry in row[1]),
    )


@asynccontextmanager
async def notifier(
    url: str,
    *,
    clock: SteadyTime | None = None,
    through: Callable[[Callable[[str], Channel]], Callable[[str], Channel]] = lambda ways: ways,
    announcer: Announcer | None = None,
    **settings: Any,
) -> AsyncIterator[None]:
    """A notifier that works until the end of the block; ``through`` alters its ways.

    It publishes totals if it is given an ``announcer``.
    """
    read = Settings(
        **{
            "database_url": SecretStr(url),
            "mqtt_url": SecretStr(_NO_BROKER),
            "webhook_private": "allow",
            **settings,
        }
    )
    resolver = SystemResolver()
    clock = SteadyTime() if clock is None else clock
    working = Notifier(
        url,
        channel_to=through(ways(read, resolver, clock, announcer)),
        clock=clock,
        progress=ProgressReporter("notify", clock=clock),
        public_url=read.public_url,
        announcer=announcer,
    )
    task = asyncio.create_task(working.run())
    try:
        yield
    finally:
        working.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task
        resolver.close()


async def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Return the condition's value once it is true."""
    for pause_s in pauses(seconds):
        if value := condition():
            return value
        await asyncio.sleep(pause_s)
    pytest.fail(f"not within {seconds:g} s: {what}")
