"""Two facilities whose devices have the same ids, asked with keys of both and of one."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from services.core.store.operations import keys
from tests.integration.api.test_auth import bearer, guarded
from tests.integration.field.bench import FieldBench

__all__ = ["guarded"]

_START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
_SPAN = {"from": _START.isoformat(), "to": (_START + timedelta(hours=2)).isoformat()}


def site(facility: str, factor: float, device: str = "gas-1") -> dict[str, Any]:
    volume = {"id": "volume", "quantity": "volume", "unit": "m3", "kind": "counter"}
    boiler = {"id": "boiler", "scope": 1, "method": "activity", "input": f"{device}.volume",
              "factor": "gas"}  # fmt: skip
    return {
        "facility": {"id": facility, "name": facility, "timezone": "UTC"},
        "devices": [{"id": device, "channels": [volume | {"max_rate": 900}]}],
        "factors": [{"id": "gas", "unit": "m3", "co2_kg": factor, "citation": "supplier"}],
        "sources": [boiler],
    }


class Sides:
    """Somebody who sees everything, and somebody of ``graz`` alone."""

    def __init__(self, client: httpx.AsyncClient, connection: psycopg.Connection[Any]) -> None:
        self._client = client
        self._keys = {
            "admin": keys.create(connection, name="admin", scopes=["admin"]),
            "graz": keys.create(
                connection, name="graz", scopes=["read", "write"], facilities=["graz"]
            ),
        }

    async def put(self, who: str, file: dict[str, Any]) -> httpx.Response:
        address = f"/v1/facilities/{file['facility']['id']}"
        return await self._client.put(address, json=file, headers=bearer(self._keys[who]))

    async def get(
        self, who: str, path: str, *, accept: str = "*/*", **parameters: Any
    ) -> httpx.Response:
        headers = bearer(self._keys[who]) | {"Accept": accept}
        return await self._client.get(path, params=parameters, headers=headers)

    async def post(self, who: str, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self._client.post(path, json=body, headers=bearer(self._keys[who]))

    async def rows(self, who: str, path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = await self.get(who, path, **parameters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture
async def sides(
    guarded: httpx.AsyncClient, database_url: str
) -> AsyncIterator[tuple[Sides, FieldBench]]:
    """Both facilities applied by the admin, and what their devices sent in the last hours."""
    bench = FieldBench(database_url)
    for facility, factor in (("linz", 2.0), ("graz", 3.0)):
        bench.apply(json.dumps(site(facility, factor)))
    with psycopg.connect(database_url, autocommit=True) as connection:
        made = Sides(guarded, connection)
    bench.deliver(
        [
            _said(facility, minute, float(minute * rate))
            for minute in range(61)
            for facility, rate in (("linz", 1), ("graz", 2))
        ],
        at=_START + timedelta(hours=1),
    )
    bench.deliver([_said("linz", 90, "?"), _said("graz", 90, "?")], at=_START + timedelta(hours=2))
    bench.settle(_START + timedelta(hours=2))
    yield made, bench
    bench.close()


def _said(facility: str, minute: int, value: float | str) -> tuple[str, str]:
    ts = (_START + timedelta(minutes=minute)).isoformat()
    payload = json.dumps({"ts": ts, "values": {"volume": value}})
    return f"emissions/{facility}/gas-1/readings", payload


async def test_totals_are_apart_and_a_limited_key_sees_its_own(
    sides: tuple[Sides, FieldBench],
) -> None:
    made, _ = sides
    for who, expected in (("admin", {"linz": 120.0, "graz": 360.0}), ("graz", {"graz": 360.0})):
        rows = await made.rows(who, "/v1/emissions", interval="1h", **_SPAN)
        totals = {r["facility"]: r["co2_kg"] for r in rows if r["source"] and r["co2_kg"]}
        assert totals == expected
        listed = await made.rows(who, "/v1/facilities")
        assert {f["id"]: [d["id"] for d in f["devices"]] for f in listed} == {
            facility: ["gas-1"] for facility in expected
        }


async def test_a_device_alone_means_any_facility_that_the_key_sees(
    sides: tuple[Sides, FieldBench],
) -> None:
    made, _ = sides
    for who, expected in (("admin", {"linz": 60.0, "graz": 120.0}), ("graz", {"graz": 120.0})):
        rows = await made.rows(who, "/v1/readings", device="gas-1", **_SPAN)
        assert {r["device"] for r in rows} == {"gas-1"}
        newest = {r["facility"]: r["value"] for r in rows}
        assert newest == expected
        refused = await made.rows(who, "/v1/quarantine", device="gas-1")
        assert sorted(r["facility"] for r in refused) == sorted(expected)
    rows = await made.rows("admin", "/v1/readings", device="gas-1", facility="linz", **_SPAN)
    assert {r["facility"] for r in rows} == {"linz"}
    table = await made.get("admin", "/v1/readings", accept="text/csv", **_SPAN)
    assert (
        table.text.splitlines()[0]
        == "time,device,channel,value,unit,quality,facility,over_full_scale,derived,thinned"
    )


async def test_a_replay_by_device_reaches_what_the_key_sees(
    sides: tuple[Sides, FieldBench],
) -> None:
    made, bench = sides
    answer = await made.post("graz", "/v1/quarantine/replay", {"device": ["gas-1"]})
    assert answer.json()["entries"] == 1
    bench.serve_replays()
    answer = await made.post("admin", "/v1/quarantine/replay", {"device": ["gas-1"]})
    assert answer.json()["entries"] == 2


async def test_a_limited_key_neither_takes_nor_finds_the_ids_of_others(
    sides: tuple[Sides, FieldBench],
) -> None:
    """Played as an attack: an id that another facility has answers as one that nobody has."""
    made, bench = sides
    assert (await made.put("admin", site("linz", 2.0, "boiler-gas"))).status_code == 200
    topic = "emissions/linz/boiler-gas/readings"
    bench.deliver([(topic, _said("linz", 0, 1.0)[1])], at=_START)
    theirs = (
        "SELECT * FROM device WHERE facility_id = (SELECT id FROM facility WHERE slug = 'linz')"
    )
    before = bench.rows(theirs)
    answers = []
    for device in ("boiler-gas", "nobodys-gas"):
        bench.deliver([(f"emissions/graz/{device}/readings", "{}")], at=_START)
        seen = await made.rows("graz", "/v1/quarantine", device=device)
        asked = await made.get("graz", "/v1/readings", device=device, **_SPAN)
        # one that measures otherwise than what the other has stored
        file = site("graz", 3.0, device)
        file["devices"][0]["channels"][0] |= {"unit": "L"}
        put = await made.put("graz", file)
        again = await made.put("graz", file)
        back = await made.put("graz", site("graz", 3.0))
        said = [(row["reason"], row["detail"]) for row in seen]
        told = [(each.status_code, each.text) for each in (asked, put, again, back)]
        # the digest is of the file that the caller sent, which names the device
        without_digests = re.sub("[0-9a-f]{64}", "SHA256", json.dumps([said, told]))
        answers.append(without_digests.replace(device, "DEVICE"))
        assert put.status_code == again.status_code == back.status_code == 200
    assert answers[0] == answers[1]
    assert "linz" not in answers[0]
    assert bench.rows(theirs) == before
    # what linz sends goes on to be its own
    bench.deliver([(topic, _said("linz", 1, 2.0)[1])], at=_START)
    assert [v for _, v, _ in bench.readings("boiler-gas.volume", facility="linz")] == [1.0, 2.0]
    assert bench.readings("boiler-gas.volume", facility="graz") == []
