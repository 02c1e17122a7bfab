"""What stands in the registry and will surprise is told at apply and in `/readyz`."""

from __future__ import annotations

import httpx

from tests.integration.aggregator.plant import FILE
from tests.integration.api.test_operation import Connection, everything_progresses, ready

_FACTOR = "id: f, unit: kWh, co2_kg: "


async def test_a_factor_that_runs_out_is_told_before_and_after(
    client: httpx.AsyncClient, connection: Connection
) -> None:
    everything_progresses(connection)
    await client.put("/v1/facilities/works", content=FILE)
    assert (await ready(client))[1]["warnings"] == []
    for days, code in ((-1, "factor-run-out"), (29, "factor-runs-out"), (31, None)):
        connection.execute(
            "UPDATE factor SET valid_to = current_date + %s WHERE slug = 'f' AND valid_to IS NULL"
            " OR slug = 'f' AND valid_from = (SELECT max(valid_from) FROM factor WHERE slug = 'f')",
            (days,),
        )
        status, body = await ready(client)
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
    assert (await ready(client))[1]["warnings"] == []
    await client.put("/v1/facilities/works", content=file)
    status, body = await ready(client)
    assert (status, body["ready"]) == (200, True)
    assert [n["code"] for n in body["notices"]] == ["factor-negative", "mail-unset"]
    assert body["warnings"] == told
    connection.execute(
        "UPDATE process_progress SET state = '{\"mail\": true}' WHERE process = 'notify'"
    )
    assert [n["code"] for n in (await ready(client))[1]["notices"]] == ["factor-negative"]
