from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.api.specification import PATH, specification
from tests.repository.files import openapi

#: Calls with parameters and errors of Prometheus' own.
PROMETHEUS = {
    (method, f"/prometheus/api/v1/{name}")
    for name, methods in {
        "query": ("get", "post"),
        "query_range": ("get", "post"),
        "series": ("get", "post"),
        "labels": ("get", "post"),
        "label/{label}/values": ("get",),
        "metadata": ("get",),
        "status/buildinfo": ("get",),
    }.items()
    for method in methods
}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_committed_specification_is_that_of_the_code() -> None:
    assert PATH.read_text(encoding="utf-8") == specification(), (
        "run python -m services.api.specification and commit what it writes"
    )


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(openapi()):
        node: Any = openapi()
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_the_calls_of_the_contract_are_there_and_those_with_data_want_a_key() -> None:
    calls = {
        (method, path): call
        for path, methods in openapi()["paths"].items()
        for method, call in methods.items()
    }
    guarded = {key for key, call in calls.items() if "security" in call}
    assert guarded - PROMETHEUS == {
        ("get", "/v1/facilities"),
        ("get", "/v1/facilities/{facility}"),
        ("put", "/v1/facilities/{facility}"),
        ("delete", "/v1/facilities/{facility}"),
        ("post", "/v1/facilities/{facility}/check"),
        ("post", "/v1/facilities/{facility}/edit"),
        ("post", "/v1/facilities/{facility}/try"),
        ("get", "/v1/facilities/{facility}/activities"),
        ("post", "/v1/facilities/{facility}/activities"),
        ("post", "/v1/facilities/{facility}/activities/withdraw"),
        ("get", "/v1/facilities/{facility}/imports"),
        ("post", "/v1/facilities/{facility}/imports"),
        ("get", "/v1/facilities/{facility}/imports/{upload}"),
        ("delete", "/v1/facilities/{facility}/imports/{upload}"),
        ("put", "/v1/facilities/{facility}/imports/{upload}/content"),
        ("post", "/v1/facilities/{facility}/imports/{upload}/check"),
        ("post", "/v1/facilities/{facility}/imports/{upload}/take"),
        ("get", "/v1/facilities/{facility}/versions"),
        ("get", "/v1/facilities/{facility}/factors"),
        ("get", "/v1/facilities/{facility}/recipients"),
        ("post", "/v1/facilities/{facility}/recipients/test"),
        ("get", "/v1/facilities/{facility}/versions/{number}"),
        ("get", "/v1/facilities/{facility}/versions/{number}/difference"),
        ("get", "/v1/devices"),
        ("get", "/v1/devices/candidates"),
        ("post", "/v1/devices/candidates/{candidate}/adopt"),
        ("post", "/v1/devices/candidates/{candidate}/dismiss"),
        ("get", "/v1/monitors"),
        ("get", "/v1/live"),
        ("get", "/v1/stream"),
        ("get", "/v1/emissions"),
        ("get", "/v1/readings"),
        ("post", "/v1/readings"),
        ("put", "/v1/readings"),
        ("get", "/v1/readings/corrections"),
        ("get", "/v1/audit"),
        ("get", "/v1/me"),
        ("put", "/v1/me/password"),
        ("get", "/v1/restatements"),
        ("get", "/v1/reports"),
        ("get", "/v1/reports/cbam"),
        ("get", "/v1/reports/china-month"),
        ("get", "/v1/reports/emissions"),
        ("get", "/v1/reports/hj212"),
        ("get", "/v1/pollutants"),
        ("get", "/v1/limits"),
        ("get", "/v1/electricity"),
        ("get", "/v1/electricity/contracts"),
        ("get", "/v1/electricity/storage"),
        ("get", "/v1/forecast"),
        ("get", "/v1/organisations"),
        ("get", "/v1/overview"),
        ("get", "/v1/footprints"),
        ("get", "/v1/intensity"),
        ("get", "/v1/pathway"),
        ("get", "/v1/pathway/years"),
        ("get", "/v1/removals"),
        ("get", "/v1/quarantine"),
        ("post", "/v1/quarantine/replay"),
        ("get", "/v1/quarantine/replay/{replay}"),
        ("get", "/v1/explain"),
        ("get", "/v1/factors"),
        ("get", "/v1/factors/shares"),
        ("post", "/v1/factors/{factor}/values"),
        ("get", "/v1/alerts"),
        ("get", "/v1/alerts/codes"),
        ("get", "/v1/alerts/courses"),
        ("get", "/v1/alerts/{alert}"),
        ("post", "/v1/alerts/{alert}/ack"),
        ("get", "/v1/thresholds"),
        ("put", "/v1/thresholds/{threshold}"),
        ("delete", "/v1/thresholds/{threshold}"),
        ("get", "/v1/maintenance"),
        ("put", "/v1/maintenance/{maintenance}"),
        ("delete", "/v1/maintenance/{maintenance}"),
        ("get", "/v1/annotations"),
    }
    assert set(calls) - guarded == {
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
        ("get", "/v1/schema/facility"),
        ("get", "/v1/sign-in"),
        ("post", "/v1/sign-in"),
        ("post", "/v1/sign-out"),
    }
    for key in PROMETHEUS:
        assert {"400", "401", "503"} <= set(calls[key]["responses"]), key
    for key in guarded - PROMETHEUS:
        problems = [
            status
            for status, answer in calls[key]["responses"].items()
            if "application/problem+json" in answer.get("content", {})
        ]
        assert {"401", "422", "503"} <= set(problems), key


def test_every_parameter_is_described() -> None:
    for path, methods in openapi()["paths"].items():
        for call in methods.values():
            assert call["summary"], path
            for parameter in call.get("parameters", []):
                if parameter["in"] == "query":
                    assert parameter["description"], (path, parameter["name"])
