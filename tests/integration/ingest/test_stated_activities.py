"""Amounts of bills by HTTP: sent, listed, withdrawn with a reason, and restated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services.api.models.activities import ActivityRow
from tests.integration.aggregator.plant import Plant as Totals
from tests.integration.ingest.plant import FILE, Plant
from tests.integration.ingest.upload_client import key, number

ACTIVITIES = "/v1/facilities/linz/activities"
WITHDRAW = f"{ACTIVITIES}/withdraw"
WITH_BILLS = (
    FILE
    + """
  - id: bills
    channels:
      - {id: gas, quantity: energy, unit: kWh, kind: event, since: 2023-01-01}
      - id: heat
        quantity: energy
        unit: kWh
        kind: event
        since: 2023-01-01
        profile: {weekdays: [1, 1, 1, 1, 1, 0.2, 0]}
factors: [{id: f, unit: kWh, co2_kg: 0.2, citation: a}]
sources: [{id: gas, scope: 1, method: activity, input: bills.gas, factor: f}]
"""
)
GAS = {"id": "B-1", "channel": "bills.gas", "from": "2024-01-01", "to": "2024-02-01"}


async def test_all_amounts_of_a_request_are_stored_or_none(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    plant.apply(WITH_BILLS)
    more = {**GAS, "id": "B-2", "from": "2024-02-01", "to": None, "unit": "MWh"}
    for entries, status, says in (
        ([{**GAS, "amount": 3100}, {**more, "amount": 0.1}], 200, {"stored": 2, "present": 0}),
        ([{**GAS, "amount": 3100}, {**more, "amount": 0.1}], 200, {"stored": 0, "present": 2}),
        ([{**more, "id": "B-3", "amount": 1}, {**GAS, "amount": 1}], 422, [1]),
        ([{**more, "id": "B-3", "amount": 1, "channel": "bills.none"}], 422, [0]),
        ([{**more, "id": "B-3", "amount": 1, "to": "2099-01-01"}], 422, [0]),
    ):
        answer = await client.post(ACTIVITIES, json={"activities": entries})
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert says == (body if status == 200 else [e["index"] for e in body["errors"]])
    assert number(plant) == 32
    (last,) = plant.rows(
        "SELECT made_by, address FROM audit_entry WHERE action = 'activity.import'"
        " ORDER BY id DESC LIMIT 1"
    )
    assert (last["made_by"], str(last["address"])) == ("key engineer", "127.0.0.1")


async def test_amounts_are_listed_page_by_page(client: httpx.AsyncClient, plant: Plant) -> None:
    plant.apply(WITH_BILLS)
    # ids are what a bill says: with blanks, slashes and other letters
    ids = ["2024/01 a b", "2024/01 a c", "Ü 7", "=1+1"]
    entries = [{**GAS, "id": one, "amount": 3100, "document": "bills/1.pdf"} for one in ids]
    later = {**GAS, "id": "H", "from": "2024-03-01", "to": "2024-03-03", "amount": 1.5}
    entries.append({**later, "channel": "bills.heat", "unit": "MWh"})
    assert (await client.post(ACTIVITIES, json={"activities": entries})).status_code == 200

    listed = []
    address = f"{ACTIVITIES}?limit=2"
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200, answer.text
        listed += answer.json()
        address = answer.links.get("next", {}).get("url", "")
    assert sorted(row["id"] for row in listed) == sorted([*ids, "H"])
    assert [row["id"] for row in listed][-1] == "H"
    first = ActivityRow.model_validate(listed[0])
    assert (first.facility, first.channel, first.amount, first.unit) == (
        "linz", "bills.gas", 3100, "kWh",
    )  # fmt: skip
    assert (str(first.from_), str(first.to)) == ("2024-01-01", "2024-02-01")
    assert (first.imported_by, first.withdrawn_at) == ("key engineer", None)

    async def shown(**query: str) -> list[str]:
        answer = await client.get(ACTIVITIES, params=query)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()]

    assert await shown(channel="bills.heat") == ["H"]
    assert await shown(channel="bills.none") == []
    assert await shown(**{"from": "2024-02-01"}) == ["H"]
    assert len(await shown(to="2024-03-01")) == 4
    assert await shown(withdrawn="true") == []
    text = (await client.get(ACTIVITIES, params={"format": "csv"})).text
    assert text.splitlines()[0].startswith("facility,id,channel,from,to,amount,unit,document")
    # what a spreadsheet would compute is a text
    assert ",'=1+1," in text
    assert (await client.get(ACTIVITIES, params={"cursor": "bm9uZQ=="})).status_code == 400


@pytest.mark.parametrize("channel", ["bills.gas", "bills.heat"])
async def test_what_is_withdrawn_counts_no_more(
    client: httpx.AsyncClient, plant: Plant, channel: str
) -> None:
    plant.apply(WITH_BILLS.replace("input: bills.gas", f"input: {channel}"))
    # from a Wednesday to a Sunday: days of each weight
    week = {**GAS, "channel": channel, "from": "2024-01-03", "to": "2024-01-08"}
    wrong = {**week, "amount": 31_000}
    right = {**week, "id": "B-1b", "amount": 3_100}
    assert (await client.post(ACTIVITIES, json={"activities": [wrong, right]})).status_code == 200
    stored = number(plant)
    totals = Totals(plant.database, WITH_BILLS.replace("input: bills.gas", f"input: {channel}"))
    totals.tick(datetime.now(UTC))
    # what changed has come to rest, and its hours are closed
    totals.connection.execute("UPDATE emission_hour SET known_at = known_at - interval '1 minute'")
    totals.tick(datetime.now(UTC) + timedelta(minutes=1))
    # a month of the facility's time zone
    span = {"from": "2023-12-31T23:00:00Z", "to": "2024-01-31T23:00:00Z", "interval": "1mo"}

    async def kg() -> float:
        (row,) = (await client.get("/v1/emissions", params={**span, "source": "gas"})).json()
        return float(row["co2_kg"])

    assert await kg() == pytest.approx(34_100 * 0.2)

    said = {"id": "B-1", "reason": "comma slipped"}
    taken = await client.post(WITHDRAW, json=said, headers={"Idempotency-Key": "w-1"})
    assert taken.status_code == 200, taken.text
    assert taken.json() == {"id": "B-1", "readings": stored // 2}
    replayed = await client.post(WITHDRAW, json=said, headers={"Idempotency-Key": "w-1"})
    assert replayed.json() == taken.json()
    assert number(plant) == stored // 2
    totals.tick(datetime.now(UTC) + timedelta(minutes=2))
    totals.close()
    assert await kg() == pytest.approx(3_100 * 0.2)
    (row,) = (await client.get(ACTIVITIES, params={"withdrawn": "true"})).json()
    assert (row["id"], row["withdrawn_by"], row["reason"]) == (
        "B-1", "key engineer", "comma slipped",
    )  # fmt: skip
    asked = {"from": span["from"], "to": span["to"], "source": "gas"}
    restated = (await client.get("/v1/restatements", params=asked)).json()
    causes = {(row["reason"], row["cause"]) for row in restated}
    assert {reason for reason, _ in causes} == {"discarded reading"}
    assert all("comma slipped" in cause for _, cause in causes)
    (entry,) = plant.rows(
        "SELECT made_by, facility, subject, reason, address FROM audit_entry"
        " WHERE action = 'activity.withdraw'"
    )
    assert (entry["made_by"], entry["subject"], entry["reason"]) == (
        "key engineer", "B-1", "comma slipped",
    )  # fmt: skip
    assert str(entry["address"]) == "127.0.0.1"

    for body, status in (
        (said, 409),
        ({"id": "B-9", "reason": "never sent"}, 404),
        ({"id": "B-1b", "reason": ""}, 422),
        ({"id": "B-1b", "reason": "two\nlines"}, 422),
    ):
        assert (await client.post(WITHDRAW, json=body)).status_code == status, body
    same = await client.post(ACTIVITIES, json={"activities": [wrong]})
    assert same.json() == {"stored": 0, "present": 1}
    assert number(plant) == stored // 2


async def test_who_may_not_configure_withdraws_nothing(
    client: httpx.AsyncClient, plant: Plant
) -> None:
    plant.apply(WITH_BILLS)
    plant.apply(FILE.replace("id: linz", "id: wien"))
    assert (
        await client.post(ACTIVITIES, json={"activities": [{**GAS, "amount": 3100}]})
    ).status_code == 200
    for scope, facilities, reads, withdraws in (
        ("read", ("linz",), 200, 403),
        ("send", ("linz",), 403, 403),
        ("read,write", ("wien",), 404, 404),
    ):
        headers = {"Authorization": f"Bearer {key(plant, scope, facilities)}"}
        body = {"id": "B-1", "reason": "mine"}
        assert (await client.get(ACTIVITIES, headers=headers)).status_code == reads
        answer = await client.post(WITHDRAW, json=body, headers=headers)
        assert answer.status_code == withdraws, answer.text
    elsewhere = await client.post(
        "/v1/facilities/wien/activities/withdraw",
        json={"id": "B-1", "reason": "mine"},
        headers={"Authorization": f"Bearer {key(plant, 'write', ('wien',))}"},
    )
    assert elsewhere.status_code == 404
    assert number(plant) == 31
