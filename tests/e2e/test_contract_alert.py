"""The contract's facility file, its limits passed: what the webhook and Alertmanager receive."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.e2e.stack import ROOT, Device, Stack
from tests.patience import PATIENCE_S, until
from tests.receivers import Webhook
from tests.services import Alertmanager, server_directory

pytestmark = [pytest.mark.database, pytest.mark.broker, pytest.mark.timeout(600)]

MINUTE = timedelta(minutes=1)
FILE = ROOT / "tests" / "fixtures" / "contract-facility.yaml"
SECRET = "whsec_" + base64.b64encode(b"a secret of the desk").decode()


@pytest.fixture
def manager() -> Iterator[tuple[Alertmanager, Webhook]]:
    with Webhook() as hook, server_directory() as directory:
        server = Alertmanager(directory, hook.url)
        server.start()
        yield server, hook
        server.kill()


def verify(secret: str, headers: dict[str, str], body: bytes) -> Any:
    """What the documentation tells a receiver to do."""
    text = (ROOT / "deploy" / "docs" / "howto" / "thresholds.md").read_text()
    (snippet,) = re.findall(r"```python\n(.*?def verify.*?)```", text, re.DOTALL)
    scope: dict[str, Any] = {}
    exec(snippet, scope)  # noqa: S102 - our own documentation
    return scope["verify"](secret, headers, body)


def test_a_breach_is_told_to_the_webhook_and_to_alertmanager_and_so_is_its_end(
    stack: Stack,
    tmp_path: Path,
    manager: tuple[Alertmanager, Webhook],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alertmanager, desk = manager
    monkeypatch.setenv("TONNE_SECRET_HOOK", SECRET)
    stack.notifier.stop()
    stack.notifier.start()
    since = datetime.now(UTC).replace(second=0, microsecond=0) - 100 * MINUTE
    with Webhook() as hook, Device(stack.mqtt_url) as cems:
        text = FILE.read_text()
        assert text.count("https://example.org/hook") == text.count("http://127.0.0.1:9093") == 1
        # a demo facility has a cems-2 of its own
        text = text.replace("cems-2", "cems-9").replace("https://example.org/hook", hook.url)
        (tmp_path / "linz.yaml").write_text(text.replace("http://127.0.0.1:9093", alertmanager.url))
        stack.apply(tmp_path / "linz.yaml")
        with psycopg.connect(stack.database_url) as connection:
            connection.execute("UPDATE threshold SET in_force_from = %s", (since,))
            connection.execute("UPDATE registry_revision SET revision = revision + 1")

        def publish(minutes: range, flow: float) -> None:
            """12.5 % CO2 and the flow, by 40 CFR 75 F-11: 6.46e-3 kg/h a scf/h."""
            messages = [
                {"ts": (since + m * MINUTE).isoformat(), "values": {"co2": 12.5, "flow": flow}}
                for m in minutes
            ]
            cems.publish("emissions/linz/cems-1/readings", json.dumps(messages))

        def stored() -> bool:
            """Ingest looks at the registry once a second: until then the demo's range holds."""
            publish(range(12), 20e6)
            with psycopg.connect(stack.database_url) as connection:
                flows = "SELECT count(*) FROM reading WHERE value = 20e6"
                return connection.execute(flows).fetchone() == (12,)

        until(stored, "the breach is stored")
        until(lambda: "stack-1-hourly" in newest_kinds(hook), "the webhook is notified")
        # an alert that ends before Alertmanager has sent it is never sent
        until(
            lambda: ("stack-1-hourly", "firing") in heard(desk),
            "the desk behind Alertmanager heard of the breach",
        )
        publish(range(12, 100), 1e4)
        until(lambda: newest_kinds(hook).get("stack-1-hourly") == "resolved", "so is its end")
        # the rate of the whole works is not known: of its other sources nothing came
        until(
            lambda: newest_kinds(hook).get("site-rate") == "no-data",
            "what is not known has not ended",
        )
        until(lambda: standing(alertmanager) == {"site-rate"}, "Alertmanager knows of both")
        until(
            lambda: ("stack-1-hourly", "resolved") in heard(desk),
            "the desk behind Alertmanager heard of its end",
        )
    for request in hook.requests:
        assert verify(SECRET, request.headers, request.raw) == request.body
        with pytest.raises(ValueError, match="signature"):
            verify(SECRET, request.headers, request.raw.replace(b"linz", b"lenz"))
    alert = next(b for b in hook.taken if b["threshold"] == "stack-1-hourly")
    assert (alert["kind"], alert["facility"], alert["severity"]) == ("firing", "linz", "critical")
    assert alert["limit"] == 12_000
    assert alert["value"] > 12_000
    assert "acked_by" not in alert
    retained = stack.get("/v1/alerts", facility="linz", threshold="stack-1-hourly")
    assert [row["state"] for row in retained] == ["resolved"]


def newest_kinds(hook: Webhook) -> dict[str, str]:
    """The newest kind by threshold."""
    return {body["threshold"]: body["kind"] for body in hook.taken}


def standing(manager: Alertmanager) -> set[str]:
    found = httpx.get(f"{manager.url}/api/v2/alerts", timeout=PATIENCE_S).json()
    return {a["labels"]["threshold"] for a in found if a["labels"]["facility"] == "linz"}


def heard(desk: Webhook) -> set[tuple[str, str]]:
    return {
        (alert["labels"]["threshold"], alert["status"])
        for body in desk.taken
        for alert in body["alerts"]
    }
