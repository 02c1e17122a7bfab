from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api.http.intervals import parse
from services.api.models.live import LiveSource, Rates, Total
from services.core.store.schema.figures import MASSES
from services.core.timeline.windows import TOTALS
from tests.repository.files import DASHBOARDS, DEPLOY, openapi, read_yaml, services

_PROVISIONING = DEPLOY / "grafana" / "provisioning"
_INFINITY = "yesoreyeram-infinity-datasource"


#: What the variable ``figure`` chooses from: the masses of answers.
_FIGURES = tuple(mass.answer for mass in MASSES)


def _sources() -> dict[str, dict[str, Any]]:
    found = read_yaml(_PROVISIONING / "datasources" / "tonne.yaml")["datasources"]
    return {source["uid"]: source for source in found}


def _queries(path: Path) -> Iterator[dict[str, Any]]:
    """The queries to tonne's API: those of panels and of variables."""
    dashboard = json.loads(path.read_text())
    for panel in dashboard["panels"]:
        yield from panel["targets"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["infinityQuery"]


_API_QUERIES = [
    pytest.param(query, id=f"{path.stem}-{index}")
    for path in DASHBOARDS
    for index, query in enumerate(_queries(path))
    if query["datasource"]["type"] == _INFINITY
]


def test_the_data_source_reads_the_api_with_a_key() -> None:
    source = _sources()["tonne"]
    assert source["type"] == _INFINITY
    assert source["url"] == "http://api:8000"
    assert source["jsonData"]["auth_method"] == "bearerToken"
    assert source["jsonData"]["allowedHosts"] == [source["url"]]
    variable = source["secureJsonData"]["bearerToken"].removeprefix("$")
    assert variable in services()["grafana"]["environment"]
    health = source["jsonData"]["customHealthCheckUrl"].removeprefix(source["url"])
    assert health in openapi()["paths"]


def test_the_plugin_is_installed_at_a_fixed_version() -> None:
    plugins = services()["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert re.fullmatch(rf"{_INFINITY}@\d+\.\d+\.\d+", plugins)


def test_prometheus_is_where_it_listens() -> None:
    port = services()["prometheus"]["ports"][0].rpartition(":")[2]
    assert _sources()["prometheus"]["url"] == f"http://prometheus:{port}"


def test_dashboards_are_read_from_where_they_are_mounted() -> None:
    (provider,) = read_yaml(_PROVISIONING / "dashboards" / "tonne.yaml")["providers"]
    assert (
        f"./grafana/dashboards:{provider['options']['path']}:ro" in services()["grafana"]["volumes"]
    )
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in services()["grafana"]["volumes"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_every_panel_asks_a_provisioned_data_source(path: Path) -> None:
    for query in _queries(path):
        uid = query["datasource"]["uid"]
        assert query["datasource"]["type"] == _sources()[uid]["type"]


def test_emissions_are_drawn_by_facility_and_source() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "emissions.json").read_text())
    names = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert names == ["facility", "source", "interval", "figure"]
    used = set(re.findall(r"\$\{(\w+)", json.dumps(dashboard["panels"])))
    assert used <= {*names, "__from", "__to", "__field"}
    limits = [
        panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
        for panel in dashboard["panels"]
        if panel["type"] == "timeseries" and "thresholds" in panel["fieldConfig"]["defaults"]
    ]
    assert limits


@pytest.mark.parametrize("query", _API_QUERIES)
def test_every_call_and_parameter_exists(query: dict[str, Any]) -> None:
    call = openapi()["paths"][query["url"]]["get"]
    known = {p["name"]: p for p in call.get("parameters", []) if p["in"] == "query"}
    given = {p["key"]: p["value"] for p in query["url_options"]["params"]}
    assert set(given) <= set(known)
    required = {name for name, parameter in known.items() if parameter.get("required")}
    assert required <= set(given)


@pytest.mark.parametrize("query", _API_QUERIES)
def test_queries_are_evaluated_where_alerts_are(query: dict[str, Any]) -> None:
    assert query["parser"] == "backend"


@pytest.mark.parametrize("query", _API_QUERIES)
def test_every_column_exists(query: dict[str, Any]) -> None:
    for figure in _FIGURES:
        _check_columns(json.loads(json.dumps(query).replace("${figure}", figure)))


def _check_columns(query: dict[str, Any]) -> None:
    selectors = {column["selector"] for column in query["columns"]}
    root = query["root_selector"]
    if not root:
        assert selectors <= set(_row_fields(query["url"]))
        return
    made = set(re.findall(r'"(\w+)":', root))
    assert selectors == made
    for span, field in re.findall(r"totals\.`?(\w+)`?\.(\w+)", root):
        assert span in TOTALS
        assert field in Total.model_fields
    for field in re.findall(r"rates\.(\w+)", root):
        assert field in Rates.model_fields
    for field in re.findall(r": (\w+)[,}]", root):
        assert field in LiveSource.model_fields


def _row_fields(path: str) -> dict[str, Any]:
    answer = openapi()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    rows = answer["schema"]["items"]
    # of rows of several kinds the first is what a query without further parameters gets
    name = rows.get("anyOf", [rows])[0]["$ref"].rpartition("/")[2]
    fields: dict[str, Any] = openapi()["components"]["schemas"][name]["properties"]
    return fields


def test_intervals_to_choose_from_are_taken_by_the_api() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "emissions.json").read_text())
    (variable,) = [v for v in dashboard["templating"]["list"] if v["name"] == "interval"]
    choices = variable["query"].split(",")
    assert choices[0] == "auto"
    assert [str(parse(choice)) for choice in choices[1:]] == choices[1:]


def test_every_mass_can_be_chosen() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "emissions.json").read_text())
    (variable,) = [v for v in dashboard["templating"]["list"] if v["name"] == "figure"]
    choices = [choice.split(" : ")[1] for choice in variable["query"].split(",")]
    assert tuple(choices) == _FIGURES
    assert [option["value"] for option in variable["options"]] == choices
