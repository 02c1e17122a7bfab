"""Recipients over HTTP: who they are, and whether a test message reaches them."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.api.routes import recipients
from services.core.runtime.settings import Settings
from services.core.store.database.progress import runs
from tests.integration.api.server import serving
from tests.integration.notify.harness import Make, notifier, until
from tests.patience import PATIENCE_S
from tests.receivers import Webhook
from tests.services import as_login

pytestmark = pytest.mark.database

ADDRESS = "/v1/facilities/works/recipients"


async def test_recipients_are_listed_and_say_whether_a_test_reached_them(
    make: Make, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "_WAIT_S", PATIENCE_S)
    works = make(f"[{{mqtt: false}}, {{webhook: '{hook.url}', heartbeat: 1d}}]")
    settings = Settings(database_url=SecretStr(as_login(works.url, "tonne_api")), api_auth="off")
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client,
    ):
        away = await client.post(f"{ADDRESS}/test", json={})
        assert away.status_code == 409
        assert away.json()["detail"] == "the notifier is not running; start `tonne notify`"
        async with notifier(works.url):
            await until(lambda: runs(works.connection, "notify"), "the notifier said that it runs")
            (told,) = (await client.post(f"{ADDRESS}/test", json={"kinds": ["webhook"]})).json()
        shown = f"webhook {hook.url.removesuffix('/hook')}"
        assert (told["recipient"], told["delivered"], told["reason"]) == (shown, True, None)
        assert [body["kind"] for body in hook.taken] == ["test"]
        (row,) = (await client.get(ADDRESS)).json()
        assert (row["recipient"], row["heartbeat_s"], row["waiting"]) == (shown, 86_400.0, 0)
        assert row["delivered_at"] is not None
        (entry,) = (await client.get("/v1/audit?action=recipient.test")).json()
        assert (entry["facility"], entry["subject"]) == ("works", "webhook")
