"""Unknown devices by HTTP: listed, adopted with a dry run, dismissed, and by whom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from services.api.app import create_app
from services.api.models.candidates import Adopted, Candidate
from services.core.facility.discovery.observing import observe, observe_native
from services.core.runtime.settings import Settings
from services.core.store.candidates import notes
from services.core.store.candidates.notes import CandidateMessage, CandidateNote
from services.core.store.operations import keys
from services.ingest.discovery.notebook import Notebook
from tests.integration.api.server import serving
from tests.patience import PATIENCE_S
from tests.services import as_login

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
TEXT = """\
# what the works pays for
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: meter
    channels: [{id: import, quantity: energy, unit: kWh, kind: counter}]   # at the gate
factors:
  - {id: works, unit: kWh, co2_kg: 0.2, citation: contract}
sources:
  - {id: grid, scope: 2, method: activity, input: meter.import, factor: works}
"""
ADOPTION = {"facility": "linz", "device": "fridge", "source": {"factor": "works"}}


class Broker:
    """What ingest would have noted of messages."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._notebook = Notebook(limit=100)

    def hear(self, topic: str, *payloads: str, names: tuple[str, str] | None = None) -> None:
        for i, payload in enumerate(payloads):
            at = NOW + timedelta(seconds=i)
            raw = payload.encode()
            observed = (
                observe(topic, raw, at.timestamp())
                if names is None
                else observe_native(*names, raw, at.timestamp())
            )
            assert observed is not None
            message = CandidateMessage(topic=topic, payload=raw, received_at=at)
            self._notebook.take(
                observed, topic, at, message=None if names else message, names=names
            )
        for page in self._notebook.unsaved():
            notes.note(self._connection, page.note, page.waiting)
            self._notebook.saved(page)


@pytest.fixture
def broker(connection: psycopg.Connection[Any]) -> Broker:
    return Broker(connection)


@pytest.fixture
async def linz(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/facilities/linz", content=TEXT)
    assert answer.status_code == 200, answer.text


async def listed(client: httpx.AsyncClient, **parameters: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/devices/candidates", params=parameters)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    for row in rows:
        Candidate.model_validate(row)
    return rows


@pytest.mark.usefixtures("linz")
async def test_a_device_is_listed_tried_adopted_and_gone(
    client: httpx.AsyncClient, broker: Broker, connection: psycopg.Connection[Any]
) -> None:
    broker.hear(
        "zigbee2mqtt/Fridge",
        '{"energy": 1.5, "power": 60, "linkquality": 5}',
        '{"energy": 1.6, "power": 61, "linkquality": 9}',
    )
    broker.hear("hall/lamp", '{"brightness": 5}', '{"brightness": 6}')
    first, second = await listed(client)
    assert (first["label"], first["stored"], first["messages"]) == ("Fridge", 2, 2)
    assert (second["label"], second["channels"][0]["unit"]) == ("hall/lamp", None)
    energy, power, quality = first["channels"]
    assert (energy["id"], energy["unit"], energy["kind"], energy["last"], energy["rises"]) == (
        "energy", "kWh", "counter", 1.6, 1,
    )  # fmt: skip
    assert (power["kind"], power["included"], quality["included"]) == ("gauge", True, False)
    (page,) = await listed(client, limit=1)
    answer = await client.get("/v1/devices/candidates", params={"limit": 1})
    (rest,) = (await client.get(answer.links["next"]["url"])).json()
    assert [page["id"], rest["id"]] == [first["id"], second["id"]]

    address = f"/v1/devices/candidates/{first['id']}/adopt"
    tried = await client.post(address, json={**ADOPTION, "dry_run": True})
    assert tried.status_code == 200, tried.text
    Adopted.model_validate(tried.json())
    assert "+  - id: fridge" in tried.json()["text_difference"]
    assert tried.json()["replayed"] == 2
    assert len(await listed(client)) == 2
    adopted = await client.post(address, json=ADOPTION)
    assert adopted.json() == {**tried.json(), "dry_run": False}
    text = (await client.get("/v1/facilities/linz")).text
    assert text.startswith(TEXT[: TEXT.index("factors:")])
    assert "{id: fridge, scope: 2, method: activity, input: fridge.energy, factor: works}" in text
    assert [row["label"] for row in await listed(client)] == ["hall/lamp"]
    assert [row["label"] for row in await listed(client, state="adopted")] == ["Fridge"]
    assert (await client.post(address, json=ADOPTION)).status_code == 404
    # what ingest does next
    notes.hand_over(connection)
    entries = connection.execute(
        "SELECT facility, device, topic, payload FROM quarantine ORDER BY id"
    ).fetchall()
    assert [(f, d, t) for f, d, t, _ in entries] == [("linz", "fridge", "zigbee2mqtt/Fridge")] * 2
    audit = (await client.get("/v1/audit", params={"action": "device.adopt"})).json()
    assert [(row["facility"], row["subject"]) for row in audit] == [("linz", str(first["id"]))]


@pytest.mark.usefixtures("linz")
async def test_channels_are_chosen_named_and_corrected(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    broker.hear("hall/meter", '{"x": 1, "y": 2}', '{"x": 2, "y": 1}')
    (row,) = await listed(client)
    address = f"/v1/devices/candidates/{row['id']}/adopt"
    body: dict[str, Any] = {"facility": "linz", "source": None}

    async def refusal(**more: Any) -> str:
        answer = await client.post(address, json={**body, **more})
        assert answer.status_code in {400, 409, 422}, answer.text
        return str(answer.json())

    place = {"topic": "hall/meter", "path": "x"}
    assert "choose at least one" in await refusal()
    assert "state it" in await refusal(channels=[place])
    assert "no number z" in await refusal(channels=[{**place, "path": "z"}])
    assert "kWhh" in await refusal(channels=[{**place, "unit": "kWhh"}])
    assert "choose another id" in await refusal(device="meter", channels=[{**place, "unit": "kWh"}])
    assert "none of its channels" in await refusal(
        channels=[{**place, "unit": "kg"}], source={"factor": "works"}
    )
    assert "nowhere" in await refusal(
        channels=[{**place, "unit": "kWh"}], source={"factor": "nowhere"}
    )
    assert "no facility nowhere" in await refusal(facility="nowhere")
    assert "source" in (await client.post(address, json={"facility": "linz"})).text
    chosen = [{**place, "id": "e", "unit": "MWh", "kind": "counter"}]
    answer = await client.post(address, json={**body, "channels": chosen})
    assert answer.status_code == 200, answer.text
    text = (await client.get("/v1/facilities/linz")).text
    assert "{id: e, from: x, quantity: energy, unit: MWh, kind: counter}" in text


async def test_a_dismissed_device_is_off_the_list(
    client: httpx.AsyncClient, broker: Broker, connection: psycopg.Connection[Any]
) -> None:
    broker.hear("hall/meter", '{"energy_kwh": 1}')
    (row,) = await listed(client)
    address = f"/v1/devices/candidates/{row['id']}/dismiss"
    assert (await client.post(address, json={})).status_code == 200
    assert await listed(client) == []
    assert connection.execute("SELECT count(*) FROM candidate_message").fetchone() == (0,)
    again = await client.post(address, json={})
    assert again.status_code == 404
    assert "GET /v1/devices/candidates" in again.text
    audit = (await client.get("/v1/audit", params={"action": "device.dismiss"})).json()
    assert len(audit) == 1


@pytest.fixture
async def keyed(
    database_url: str, connection: psycopg.Connection[Any]
) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    settings = Settings(database_url=SecretStr(as_login(database_url, "tonne_api")))
    clients: list[httpx.AsyncClient] = []
    async with serving(create_app(settings)) as address:

        def client(*scopes: str, facilities: list[str] | None = None) -> httpx.AsyncClient:
            name = f"key {len(clients)}"
            key = keys.create(connection, name=name, scopes=list(scopes), facilities=facilities)
            clients.append(
                httpx.AsyncClient(
                    base_url=address,
                    timeout=PATIENCE_S,
                    headers={"Authorization": f"Bearer {key}"},
                )
            )
            return clients[-1]

        yield client
        for one in clients:
            await one.aclose()


async def test_who_may_not_configure_sees_none_and_who_is_limited_only_their_own(
    keyed: Callable[..., httpx.AsyncClient], broker: Broker
) -> None:
    admin = keyed("admin")
    for slug in ("linz", "graz"):
        made = await admin.put(f"/v1/facilities/{slug}", content=TEXT.replace("linz", slug))
        assert made.status_code == 200, made.text
    broker.hear("hall/meter", '{"energy_kwh": 1}')
    native = '{"ts": 1795456800, "values": {"gas": {"v": 1, "u": "m3"}}}'
    broker.hear("emissions/graz/new/readings", native, names=("graz", "new"))
    assert (await keyed("read").get("/v1/devices/candidates")).status_code == 403
    limited = keyed("read", "write", facilities=["graz"])
    assert [row["label"] for row in await listed(limited)] == ["new"]
    everything = {row["label"]: row["id"] for row in await listed(admin)}
    assert set(everything) == {"new", "hall/meter"}
    foreign = f"/v1/devices/candidates/{everything['hall/meter']}"
    body = {"facility": "graz", "source": None}
    assert (await limited.post(f"{foreign}/adopt", json=body)).status_code == 404
    assert (await limited.post(f"{foreign}/dismiss", json={})).status_code == 404
    adopt = f"/v1/devices/candidates/{everything['new']}/adopt"
    elsewhere = await limited.post(adopt, json={"facility": "linz", "source": None})
    assert elsewhere.status_code == 404
    done = await limited.post(adopt, json=body)
    assert done.status_code == 200, done.text
    assert done.json()["device"] == "new"


def test_a_note_is_what_it_was(connection: psycopg.Connection[Any], broker: Broker) -> None:
    broker.hear("hall/meter", '{"energy_kwh": 1}')
    (note,) = notes.load(connection)
    assert isinstance(note, CandidateNote)
    assert note.learned.series["hall/meter", "energy_kwh"].last == 1
