from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api.http.intervals import parse
from services.core.store.schema.figures import MASSES
from tests.repository.files import DASHBOARDS, DEPLOY, openapi, read_yaml, services

_PROVISIONING = DEPLOY / "grafana" / "provisioning"
_INFINITY = "yesoreyeram-infinity-datasource"


#: What the variable ``figure`` chooses from: the masses of answers.
_FIGURES = tuple(mass.answer for mass in MASSES)


def _sources() -> dict[str, dict[str, Any]]:
    found = read_yaml(_PROVISIONING / "datasources" / "tonne.yaml")["datasources"]
    return {source["uid"]: source for source in found}


def _queries(path: Path) -> Iterator[dict[str, Any]]:
    """The queries of a dashboard: those of panels, variables and annotations."""
    dashboard = json.loads(path.read_text())
    for panel in dashboard["panels"]:
        yield from panel["targets"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"].get("infinityQuery", variable)
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["target"]


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
    (secret,) = re.findall(
        r"^\$__file\{/run/secrets/(\w+)\}$", source["secureJsonData"]["bearerToken"]
    )
    assert secret in services()["grafana"]["secrets"]
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
    for panel in dashboard["panels"]:
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
        # limits are stated in tonne, and asked for; a gauge is a share of all
        assert panel["type"] == "gauge" or all(step["value"] is None for step in steps)


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
