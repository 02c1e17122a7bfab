"""People's corrections by HTTP: through the real API and a real ingest, into a real database."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg

from services.api.models.corrections import CorrectedReadings, CorrectionRow
from services.api.models.mapping_trials import MappingTrialRow
from tests.integration.ingest.plant import FILE, Plant
from tests.integration.ingest.test_http import client, folder, key, rows, sent

__all__ = ["client", "folder"]

AT = "2026-11-23T18:00:00Z"


def body(*stated: dict[str, Any], **options: Any) -> dict[str, Any]:
    row = {"device": "meter-grid", "channel": "import-power", "time": AT}
    return {
        "facility": "linz",
        "reason": "misread",
        "readings": [{**row, **one} for one in stated],
        **options,
    }


async def put(
    client: httpx.AsyncClient, content: Any, status: int = 200, **headers: Any
) -> dict[str, Any]:
    response = await client.put("/v1/readings", json=content, headers=headers)
    assert response.status_code == status, response.text
    answer: dict[str, Any] = response.json()
    if status < 300:
        CorrectedReadings.model_validate(answer)
    return answer


def counts(answer: dict[str, Any]) -> Sequence[int]:
    return [answer[name] for name in ("corrected", "added", "unchanged", "refused")]


async def test_a_person_corrects_what_is_stored_and_it_stays_on_record(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    await sent(client, rows(2))
    engineer: dict[str, Any] = {"Authorization": f"Bearer {key(plant, 'write')}"}
    # 0.5 is stored at AT, 1.5 a second later
    stated: list[dict[str, Any]] = [
        {"value": 4125, "unit": "W", "was": 0.5, "was_quality": "good"},
        {"value": None, "was": 7.0, "time": "2026-11-23T18:00:01Z"},
        {"value": 3, "time": "2026-11-23T18:00:02Z"},
    ]
    once: dict[str, Any] = {**engineer, "Idempotency-Key": "k-1"}
    answer = await put(client, body(*stated), 207, **once)
    assert counts(answer) == [1, 1, 0, 1]
    (refusal,) = answer["refusals"]
    assert (refusal["index"], refusal["reason"]) == (1, "changed")
    assert refusal["detail"].startswith("it is 1.5 kW by now")
    # who did not hear the answer hears it again; without a key the same finds it done
    assert await put(client, body(*stated), 207, **once) == answer
    assert counts(await put(client, body(stated[0], stated[2]), **engineer)) == [0, 0, 2, 0]
    assert [row[2:] for row in plant.readings()] == [(4.125, 0), (1.5, 0), (3.0, 0)]
    # the device's own message again, and another one
    await sent(client, rows(1))
    late = [{**rows(1)[0], "values": {"import-power": {"v": 9, "q": "good"}}}]
    assert (await sent(client, late, 207))["refusals"][0]["reason"] == "conflict"

    reader = {"Authorization": f"Bearer {key(plant, 'read')}"}
    span = {"facility": "linz", "from": AT, "to": "2026-11-23T19:00:00Z"}
    record = await client.get("/v1/readings/corrections", params=span, headers=reader)
    first, second = (CorrectionRow.model_validate(row) for row in record.json())
    assert (first.old_value, first.new_value, first.kind) == (0.5, 4.125, "corrected")
    assert (first.by, first.reason) == ("key gateway", "misread")
    assert (second.old_quality, second.new_value) == (None, 3.0)
    page = await client.get("/v1/readings/corrections", params={**span, "limit": 1}, headers=reader)
    rest = await client.get(page.links["next"]["url"], headers=reader)
    assert [*page.json(), *rest.json()] == record.json()
    (entry,) = plant.rows(
        "SELECT made_by, facility, subject, address, reason FROM audit_entry"
        " WHERE action = 'reading.correct'"
    )
    assert tuple(entry.values()) == (
        "key gateway", "linz", "meter-grid.import-power", "127.0.0.1", "misread",
    )  # fmt: skip


async def test_who_may_correct_what(client: httpx.AsyncClient, plant: Plant) -> None:
    await sent(client, rows(1))
    wanted = body({"value": 1, "was": 0.5})
    for scope in ("read", "send"):
        await put(client, wanted, 403, Authorization=f"Bearer {key(plant, scope)}")
    plant.apply(FILE.replace("id: linz", "id: graz"))
    limited = f"Bearer {key(plant, 'write', ['graz'])}"
    await put(client, wanted, 404, Authorization=limited)
    there = {**wanted, "facility": "graz"}
    answer = await put(client, there, 207, Authorization=limited)
    assert answer["refusals"][0]["reason"] == "not_stored"
    engineer = f"Bearer {key(plant, 'write')}"
    for wrong in (
        {**wanted, "reason": " "},
        {**wanted, "reason": "two\nlines"},
        body(),
        body(*[{"value": 1}] * 1001),
        body({"value": "1.0.0"}),
        body({"value": 1, "quality": "above-range"}),
        body({"value": 1, "is": 2}),
    ):
        await put(client, wrong, 422, Authorization=engineer)
    assert [row[2] for row in plant.readings()] == [0.5]


async def test_a_file_is_tried_with_a_message_before_it_is_applied(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    engineer: dict[str, Any] = {"Authorization": f"Bearer {key(plant, 'write')}"}
    text = """
facility: {id: linz, name: Linz works, timezone: Europe/Vienna}
devices:
  - id: pow1
    topic: tele/pow1/SENSOR
    format: json
    timestamp: {from: Time, timezone: Europe/Vienna}
    channels:
      - {id: energy, from: ENERGY.Total, quantity: energy, unit: kWh, kind: counter, scale: 10}
      - {id: power, from: ENERGY.Power, quantity: power, unit: kW, kind: gauge, range: [0, 5]}
"""
    message = '{"Time": "2026-11-23T19:00:00", "ENERGY": {"Total": 1.25, "Power": 9}}'

    async def tried(status: int = 200, **body: Any) -> Any:
        response = await client.post(
            "/v1/facilities/linz/try",
            json={"text": text, "payload": message, **body},
            headers=engineer,
        )
        assert response.status_code == status, response.text
        return response.json()

    taken, refused = [MappingTrialRow.model_validate(row) for row in await tried()]
    assert (taken.channel, taken.value, taken.stored, taken.unit) == ("energy", 12.5, 1.25, "kWh")
    assert (taken.from_, taken.timed_by) == ("ENERGY.Total", "Time")
    assert (refused.verdict, refused.channel, refused.reason) == (
        "refused", "power", "out_of_range",
    )  # fmt: skip
    german = await client.post(
        "/v1/facilities/linz/try",
        json={"text": text, "payload": message},
        headers={**engineer, "Accept-Language": "de"},
    )
    assert "prüfen Sie den Sensor" in german.json()[1]["detail"]
    packed = base64.b64encode(message.encode()).decode()
    assert await tried(payload=packed, encoding="base64", topic="tele/pow1/SENSOR") == await tried()
    assert "its topics are tele/pow1/SENSOR" in (await tried(422, topic="hall/x"))["detail"]
    assert (await tried(422, text="facility: {id: linz}"))["errors"]
    await tried(422, payload="%", encoding="base64")
    # what MQTT 5 says beside the payload
    site = text.replace("json\n", "json\n    where: {property.site: north}\n", 1)
    assert site != text
    beside = {"property.site": "north", "message_expiry": "60"}
    assert await tried(text=site, properties=beside) == await tried()
    assert {row["verdict"] for row in await tried(text=site)} == {"absent"}
    assert "'site' does not stand" in (await tried(422, properties={"site": "a"}))["detail"]
    assert plant.count("reading") == 0


async def test_nobody_to_hand_it_to(client: httpx.AsyncClient, plant: Plant) -> None:
    plant.end()
    engineer = f"Bearer {key(plant, 'write')}"
    answer = await put(client, body({"value": 1}), 503, Authorization=engineer)
    assert answer["type"].endswith("ingest-away")
    with psycopg.connect(plant.database) as connection:
        assert connection.execute("SELECT count(*) FROM reading").fetchone() == (0,)
