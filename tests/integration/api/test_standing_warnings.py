"""What stands in the registry and will surprise is told at apply and in `/readyz`."""

from __future__ import annotations

import httpx

from tests.integration.aggregator.plant import FILE
from tests.integration.aggregator.test_audits_and_loads import file as stack_file
from tests.integration.api.test_operation import Connection, everything_progresses, ready

_FACTOR = "id: f, unit: kWh, co2_kg: "


async def test_a_factor_that_runs_out_is_told_before_and_after(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    await client.put("/v1/facilities/works", content=FILE)
    assert (await ready(client, connection))[1]["warnings"] == []
    for days, code in ((-1, "factor-run-out"), (29, "factor-runs-out"), (31, None)):
        connection.execute(
            "UPDATE factor SET valid_to = current_date + %s WHERE slug = 'f' AND valid_to IS NULL"
            " OR slug = 'f' AND valid_from = (SELECT max(valid_from) FROM factor WHERE slug = 'f')",
            (days,),
        )
        status, body = await ready(client, connection)
        assert status == 200
        assert [notice["code"] for notice in body["notices"]] == ([code] if code else [])
        assert all("by-gauge" in warning for warning in body["warnings"])


async def test_a_negative_factor_and_mail_that_cannot_be_sent_are_told(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    connection.execute(
        "UPDATE process_progress SET state = '{\"mail\": false}' WHERE process = 'notify'"
    )
    file = FILE.replace("co2_kg: 0.2,", "co2_kg: -0.2,") + "notify: [{email: ops@example.org}]\n"
    assert file.count("-0.2") == 1
    put = (await client.put("/v1/facilities/works?dry_run=true", content=file)).json()
    told = [w for w in put["warnings"] if "works: " in w]
    assert [("f is negative" in w, "ops@example.org" in w) for w in told] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert (await ready(client, connection))[1]["warnings"] == []
    await client.put("/v1/facilities/works", content=file)
    status, body = await ready(client, connection)
    assert (status, body["ready"]) == (200, True)
    assert [n["code"] for n in body["notices"]] == ["factor-negative", "mail-unset"]
    assert body["warnings"] == told
    connection.execute(
        "UPDATE process_progress SET state = '{\"mail\": true}' WHERE process = 'notify'"
    )
    assert [n["code"] for n in (await ready(client, connection))[1]["notices"]] == [
        "factor-negative"
    ]


async def test_a_figure_past_its_successor_is_told_wherever_it_counts(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    due = "data_year: 2024, successor_expected: 2025-06-30, "
    file = FILE.replace("co2_kg: 0.2,", f"co2_kg: 0.2, {due}")
    assert file.count(due) == 1
    put = (await client.put("/v1/facilities/works", content=file)).json()
    why = "of 2024; a newer one is expected since June 2025"
    assert len([w for w in put["warnings"] if f"f {why}; take the newer figure" in w]) == 1
    status, body = await ready(client, connection)
    assert (status, [n["code"] for n in body["notices"]]) == (200, ["factor-stale"])
    assert why in body["warnings"][0]
    live = (await client.get("/v1/live", params={"facility": "works"})).json()
    stale = {source["id"]: source["stale_factor"] for source in live["sources"]}
    assert f"factor {why}" in stale.values()
    assert live["stale_factors"] == [f"{i}: {w}" for i, w in stale.items() if w is not None]
    source = next(i for i, w in stale.items() if w is not None)
    for hour, expected in (("2026-03-01", f"factor {why}"), ("2024-03-01", None)):
        asked = {
            "facility": "works",
            "source": source,
            "hour": f"{hour}T12:00:00Z",
            "as_of": "2100-01-01",
        }
        explained = (await client.get("/v1/explain", params=asked)).json()["factor"]
        assert explained["stale"] == expected
    # the next year's figure ends it
    newer = file.replace(due, "").replace("co2_kg: 0.2,", "co2_kg: 0.2, data_year: 2026,")
    await client.put("/v1/facilities/works", content=newer)
    assert (await ready(client, connection))[1]["notices"] == []


async def test_an_audit_past_its_deadline_is_told(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    audit = "audits: [{at: 2020-01-10T00:00:00Z, passed: true, relative_accuracy: 6.2}]"
    file = stack_file().replace("basis: wet", f"basis: wet, {audit}, audit_deadlines: part75", 1)
    put = (await client.put("/v1/facilities/works", content=file)).json()
    # four quarters to 2021, and 720 hours
    sentence = (
        "works: the relative accuracy audit of cems.co2 was due before 2021-04-01T00:00Z and its"
        " grace period of 720 operating hours is over, since then its data do not count; state the"
        " next passed one among its audits"
    )
    assert sentence in put["warnings"]
    _, body = await ready(client, connection)
    assert [n["code"] for n in body["notices"]] == ["audit-expired"]
    assert sentence in body["warnings"]
    without = file.replace(audit + ", ", "")
    put = (await client.put("/v1/facilities/works", content=without)).json()
    assert any("cems.co2 has audit_deadlines and no audits" in w for w in put["warnings"])
    assert (await ready(client, connection))[1]["notices"] == []


async def test_a_facility_is_told_its_own_however_many_others_have(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    connection.execute(
        "UPDATE process_progress SET state = '{\"mail\": false}' WHERE process = 'notify'"
    )
    first = FILE.replace("{id: works,", "{id: a-works,")
    assert first != FILE
    assert (await client.put("/v1/facilities/a-works", content=first)).status_code == 200
    connection.execute(
        "UPDATE facility SET document = jsonb_set(document, '{notify}', (SELECT"
        " jsonb_agg(jsonb_build_object('email', i || '@example.org'))"
        " FROM generate_series(1, 101) i)) WHERE slug = 'a-works'"
    )
    mail = "notify: [{email: ops@example.org}]\n"
    put = (await client.put("/v1/facilities/works", content=FILE + mail)).json()
    assert [w for w in put["warnings"] if "ops@example.org" in w]
    assert not [w for w in put["warnings"] if "a-works" in w]
    _, body = await ready(client, connection)
    codes = [n["code"] for n in body["notices"]]
    assert codes == ["mail-unset"] * 100 + ["more-notices"]
    assert "more than 100" in body["warnings"][-1]
