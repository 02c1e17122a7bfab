"""Every panel, variable and rule of Grafana that asks tonne as Prometheus, over real answers."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from tests.integration.deploy.test_grafana_answers import NOW, client, database_url
from tests.repository.files import DEPLOY, read_yaml

__all__ = ["client", "database_url"]

_FOLDER = DEPLOY / "grafana"
_DASHBOARD = json.loads((_FOLDER / "dashboards" / "prometheus.json").read_text())
_API = "/prometheus/api/v1"


async def _result(client: httpx.AsyncClient, query: str, *, is_instant: bool) -> list[Any]:
    # several chosen values become the alternatives of a regular expression
    query = query.replace("$facility", "works").replace("$source", "(boiler|grid)")
    times = {"time": str(NOW.timestamp())}
    if not is_instant:
        times = {"start": str(NOW.timestamp() - 3600), "end": times["time"], "step": "60"}
    response = await client.post(
        f"{_API}/{'query' if is_instant else 'query_range'}", data={"query": query, **times}
    )
    assert response.status_code == 200, (query, response.text)
    result = response.json()["data"]["result"]
    assert isinstance(result, list)
    return result


async def test_every_panel_shows_what_is_stored(client: httpx.AsyncClient) -> None:
    for panel in _DASHBOARD["panels"]:
        for target in panel["targets"]:
            is_instant = target.get("instant", False)
            rows = await _result(client, target["expr"], is_instant=is_instant)
            assert rows, panel["title"]
            used = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert used <= set(rows[0]["metric"])


async def test_variables_list_what_may_be_chosen(client: httpx.AsyncClient) -> None:
    listed = {}
    for variable in _DASHBOARD["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert asked is not None
        match = {"match[]": asked[1].replace("$facility", "works")}
        answer = await client.get(f"{_API}/label/{asked[2]}/values", params=match)
        listed[variable["name"]] = answer.json()["data"]
    assert listed == {"facility": ["works"], "source": ["boiler", "grid"]}


async def test_rules_have_an_instance_for_each_source(client: httpx.AsyncClient) -> None:
    groups = read_yaml(_FOLDER / "provisioning" / "alerting" / "prometheus.yaml")["groups"]
    for rule in groups[0]["rules"]:
        asked, threshold = rule["data"]
        assert threshold["refId"] == rule["condition"]
        assert threshold["model"]["expression"] == asked["refId"]
        rows = await _result(client, asked["model"]["expr"], is_instant=True)
        assert {row["metric"]["source"] for row in rows} == {"boiler", "grid"}
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert used <= set(rows[0]["metric"])
        assert f"$values.{asked['refId']}.Value" in rule["annotations"]["summary"]
