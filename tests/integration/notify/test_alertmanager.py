"""Alerts in the distribution's own Alertmanager: it groups, silences and resolves them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.notify.alertmanager import AlertmanagerChannel
from tests.integration.notify.harness import Make, notifier, until
from tests.patience import PATIENCE_S
from tests.receivers import Webhook
from tests.services import Alertmanager, server_directory

pytestmark = pytest.mark.database


@pytest.fixture
def manager(hook: Webhook) -> Iterator[Alertmanager]:
    with server_directory() as directory:
        server = Alertmanager(directory, hook.url)
        server.start()
        yield server
        server.kill()


def standing(manager: Alertmanager) -> dict[str, str]:
    """State by threshold of what it holds."""
    found = httpx.get(f"{manager.url}/api/v2/alerts", timeout=PATIENCE_S).json()
    return {
        a["labels"].get("threshold", a["labels"]["alertname"]): a["status"]["state"] for a in found
    }


def notified(hook: Webhook) -> list[list[tuple[str, str]]]:
    """Of each notification, the alerts and their states."""
    return [
        sorted((a["labels"]["threshold"], a["status"]) for a in body["alerts"])
        for body in hook.taken
    ]


def silence(manager: Alertmanager, threshold: str) -> None:
    now = datetime.now(UTC)
    body: dict[str, Any] = {
        "matchers": [{"name": "threshold", "value": threshold, "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "berta",
        "comment": "known",
    }
    url = f"{manager.url}/api/v2/silences"
    httpx.post(url, json=body, timeout=PATIENCE_S).raise_for_status()


async def test_alerts_are_grouped_silenced_and_resolved(
    make: Make, hook: Webhook, manager: Alertmanager
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    silence(manager, "muted")
    works = make(f"[{{mqtt: false}}, {{alertmanager: '{manager.url}'}}]")
    fired_at = (now - timedelta(minutes=5)).isoformat()
    for threshold in ("high", "low", "muted"):
        works.tell("firing", threshold=threshold, value=1.5, fired_at=fired_at)
    # the reach of a facility file: loopback is in the house
    async with notifier(works.url, webhook_private="refuse"):
        await until(
            lambda: (
                notified(hook) and notified(hook)[-1] == [("high", "firing"), ("low", "firing")]
            ),
            "both are told together, the third is not",
        )
        states = {"high": "active", "low": "active", "muted": "suppressed"}
        await until(lambda: standing(manager) == states, "it holds all three")
        first = hook.taken[-1]["alerts"][0]
        assert first["labels"]["facility"] == "works"
        assert first["labels"]["severity"] == "critical"
        assert datetime.fromisoformat(first["startsAt"]) == datetime.fromisoformat(fired_at)
        works.tell("resolved", threshold="high", fired_at=fired_at, resolved_at=now.isoformat())
        await until(
            lambda: ("high", "resolved") in notified(hook)[-1], "the end of the one is told"
        )
        assert ("low", "firing") in notified(hook)[-1]
    assert all(threshold != "muted" for told in notified(hook) for threshold, _ in told)


async def test_what_fires_is_there_again_after_alertmanager_forgot_it(
    make: Make, manager: Alertmanager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlertmanagerChannel, "repeat_every_s", 0.3)
    works = make(f"[{{mqtt: false}}, {{alertmanager: '{manager.url}'}}]")
    works.tell("firing", threshold="stays")
    works.tell("firing", "resolved", threshold="over")
    async with notifier(works.url):
        await until(lambda: works.waiting() == 0, "everything is told")
        manager.kill()
        manager.start()
        await until(lambda: standing(manager).get("stays") == "active", "it is told again")
    assert len(works.outbox()) == 3
