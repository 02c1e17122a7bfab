"""Every call of the specification, asked with a key that is limited to another facility.

Whatever is asked for by the name or number of another facility's object is answered as if there
were none, to the letter, and changes nothing. A new call is asked by itself; one with a name in its
path that stands in none of the tables below fails until somebody says what stands for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from psycopg import sql

from services.api.specification import PATH
from services.core.store.operations import keys
from tests.integration.aggregator.plant import apply_text
from tests.integration.api.plant import Plant, at, minutes, roll
from tests.integration.api.test_auth import bearer, guarded
from tests.integration.api.test_candidates import Broker

__all__ = ["guarded"]

Connection = psycopg.Connection[Any]

#: Only the hidden facility's objects have this in their names.
MARK = "secret"

_FILE = """
facility: {{id: {id}works, name: {id} works, timezone: UTC}}
devices:
  - id: {id}meter
    channels: [{{id: {id}energy, quantity: energy, unit: kWh, kind: counter}}]
factors:
  - {{id: {id}grid, unit: kWh, co2_kg: 0.25, valid_from: 2020-01-01, citation: {id}}}
  - {{id: {id}series, kind: series, unit: kWh, citation: {id}}}
sources:
  - {{id: {id}source, scope: 2, method: activity, input: {id}meter.{id}energy, factor: {id}grid}}
thresholds: [{{id: {id}limit, source: {id}source, measure: rate, above: 1, severity: critical}}]
"""

#: What stands for a part of a path or a parameter: of the hidden facility, and of nobody.
NAMES = {
    "facility": ("secretworks", "nobodyworks"),
    "source": ("secretsource", "nobodysource"),
    "device": ("secretmeter", "nobodymeter"),
    "channel": ("secretenergy", "nobodyenergy"),
    "threshold": ("secretlimit", "nobodylimit"),
    "maintenance": ("secretrest", "nobodyrest"),
    "alert": ("888001", "777001"),
    "replay": ("888002", "777002"),
    "factor": ("secretseries", "nobodyseries"),
    "label": ("secretlabel", "nobodylabel"),
    "number": ("888003", "777003"),
    "candidate": ("888004", "777004"),
    "upload": ("8" * 32, "7" * 32),
}
#: A list without rows, and Prometheus' own.
NOTHING = ([], {"status": "success", "data": []})
#: The language of facility files, which names the keys of secrets.
SAME_FOR_ALL = {"/v1/schema/facility"}
#: What else a call cannot do without.
NEEDED = {"hour": "2026-11-23T17:00:00Z"}
BODIES: dict[str, Any] = {
    "POST /v1/devices/candidates/{candidate}/adopt": {
        "facility": "openworks", "device": "found", "source": None,
    },
    "POST /v1/facilities/{facility}/try": {"text": "facility:", "payload": "{}"},
    "POST /v1/facilities/{facility}/imports": {"name": "secret.csv", "bytes": 1},
    "POST /v1/facilities/{facility}/activities": {"activities": [
        {"id": "B-1", "channel": "secretmeter.secretenergy", "from": "2026-11-01", "amount": 1},
    ]},
    "POST /v1/facilities/{facility}/activities/withdraw": {"id": "B-1", "reason": "a test"},
    "PUT /v1/readings": {
        "facility": "secretworks", "reason": "a test",
        "readings": [{
            "device": "secretmeter", "channel": "secretenergy", "time": "2026-11-23T17:00:00Z",
            "value": 1,
        }],
    },
    "POST /v1/quarantine/replay": {"facility": ["secretworks"]},
    "POST /v1/factors/{factor}/values": {
        "values": [{"hour": "2026-11-23T17:00:00Z", "co2_kg": 0.2}],
    },
    "PUT /v1/thresholds/{threshold}": {"measure": "rate", "above": 5, "severity": "warning"},
    "PUT /v1/maintenance/{maintenance}": {
        "from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z", "reason": "a rest",
    },
}  # fmt: skip
#: Tables that another facility's calls must leave as they are.
KEPT = (
    "facility",
    "threshold",
    "maintenance",
    "alert",
    "quarantine",
    "replay_request",
    "device_candidate",
)


@pytest.fixture
def hidden(connection: Connection, database_url: str) -> None:
    """Two facilities, the hidden one with an object of every kind."""
    for name in (MARK, "open"):
        apply_text(database_url, _FILE.format(id=name))
    facility = _one(connection, "SELECT id FROM facility WHERE slug = 'secretworks'")
    source = _one(connection, "SELECT id FROM source WHERE slug = 'secretsource'")
    threshold = _one(connection, "SELECT id FROM threshold WHERE slug = 'secretlimit'")
    newest = at("2026-11-23T18:00:00Z")
    minutes(connection, source, [(newest, 2.0, 60_000)])
    plant = Plant(facility_id=facility, slug="secretworks", timezone="UTC", sources={"s": source})
    roll(connection, plant, newest)
    connection.execute(
        "INSERT INTO maintenance (facility_id, slug, origin, from_ts, to_ts, reason)"
        " VALUES (%s, 'secretrest', 'api', now(), now() + interval '1 day', 'secret')",
        (facility,),
    )
    connection.execute(
        "INSERT INTO facility_version (facility_id, number, sha256, file, changes)"
        " VALUES (%s, 888003, '', 'secret', '[]')",
        (facility,),
    )
    connection.execute(
        "INSERT INTO quarantine (reason, detail, topic, payload, facility)"
        " VALUES ('not-json', 'secret', 'secret', 'secret', 'secretworks')"
    )
    connection.execute(
        "INSERT INTO alert (id, facility_id, threshold_id, threshold_version, state, projected,"
        " started_at, fired_at, limit_value, data_version, told) OVERRIDING SYSTEM VALUE"
        " VALUES (888001, %s, %s, 1, 'firing', false, now(), now(), 1, 1, false)",
        (facility, threshold),
    )
    connection.execute("SELECT setval(pg_get_serial_sequence('device_candidate', 'id'), 888003)")
    broker = Broker(connection)
    for power in (1, 2):
        broker.hear(
            "emissions/secretworks/secretfridge/readings",
            f'{{"ts": "2026-11-23T18:0{power}:00Z", "values": {{"power": {power}}}}}',
            names=("secretworks", "secretfridge"),
        )
    connection.execute(
        "INSERT INTO replay_request (id, facilities, accept, requested_by, entries, upto_id)"
        " OVERRIDING SYSTEM VALUE VALUES (888002, '{secretworks}', false, 'secret', 1, 1)"
    )


def _one(connection: Connection, statement: LiteralString) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def limited(guarded: httpx.AsyncClient, connection: Connection) -> httpx.AsyncClient:
    """A client with every right on the open facility, and none on the hidden one."""
    key = keys.create(connection, name="open", scopes=["admin"], facilities=["openworks"])
    guarded.headers.update(bearer(key))
    return guarded


def _state(connection: Connection) -> list[Any]:
    """All that is stored of the hidden facility in the tables that calls may change."""
    statement = sql.SQL(
        "SELECT jsonb_agg(to_jsonb(x) ORDER BY x.id) FROM {} x"
        " WHERE to_jsonb(x)::text LIKE '%secret%' OR x.id IN (888001, 888002)"
    )
    return [connection.execute(statement.format(sql.Identifier(t))).fetchone() for t in KEPT]


@pytest.mark.usefixtures("hidden")
async def test_no_call_tells_or_changes_anything_of_another_facility(
    limited: httpx.AsyncClient, connection: Connection
) -> None:
    document = json.loads(PATH.read_text(encoding="utf-8"))
    before = _state(connection)
    asked = 0
    for path in sorted(document["paths"].keys() - SAME_FOR_ALL):
        for method, call in document["paths"][path].items():
            label = f"{method.upper()} {path}"
            for theirs, nobodys in _requests(label, path, call):
                first = await limited.request(method, **theirs)
                asked += 1
                if nobodys is None:
                    assert MARK not in first.text, label
                    continue
                second = await limited.request(method, **nobodys)
                same = first.text
                for name, nobody in NAMES.values():
                    same = same.replace(name, nobody)
                assert first.status_code == second.status_code, (label, theirs)
                assert first.status_code >= 400 or first.json() in NOTHING, (label, theirs)
                assert same == second.text, (label, theirs)
    assert asked > 30
    assert _state(connection) == before


def _requests(
    label: str, path: str, call: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """What is asked for in a call: with names of the hidden facility, and with those of nobody."""
    places = [p["name"] for p in call.get("parameters", []) if p["in"] == "path"]
    unknown = set(places) - set(NAMES)
    assert not unknown, f"{label}: say in NAMES what stands for {unknown} of a hidden facility"
    query = {p["name"]: p.get("required", False) for p in call.get("parameters", [])
             if p["in"] == "query"}  # fmt: skip
    needed = {name: NEEDED[name] for name in query if name in NEEDED}
    body = BODIES.get(label, {} if "requestBody" in call else None)

    def request(of: int, parameters: dict[str, str]) -> dict[str, Any]:
        parts = {name: NAMES[name][of] for name in places}
        text = (
            None if body is None else json.dumps(body).replace("secret", ("secret", "nobody")[of])
        )
        return {
            "url": path.format(**parts),
            "params": needed | parameters,
            **({} if text is None else {"json": json.loads(text)}),
        }

    mine = {"facility": "openworks"} if "facility" in query else {}
    is_stream = "text/event-stream" in call["responses"].get("200", {}).get("content", {})
    if not places and body is None and not is_stream:
        # without any name: all that the key may see, and nothing of the other
        required = {name: NAMES[name][1] for name, must in query.items() if must and name in NAMES}
        yield request(1, required | mine), None
    # a name of a facility that the call names stands for that one's own object
    if not mine and (places or label in BODIES):
        yield request(0, {}), request(1, {})
    for name in query:
        if name in NAMES:
            others = {n: NAMES[n][0] for n, must in query.items() if must and n in NAMES}
            nobody = {n: NAMES[n][1] for n, must in query.items() if must and n in NAMES}
            yield (
                request(0, others | {name: NAMES[name][0]}),
                request(1, nobody | {name: NAMES[name][1]}),
            )
