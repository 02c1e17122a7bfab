from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from services.api.prometheus.metrics import METRICS
from services.core.runtime import metrics
from services.core.runtime.settings import Settings
from tests.repository.files import DASHBOARDS, DEPLOY, read_yaml, services

_FOLDER = DEPLOY / "prometheus"
_RULES = sorted((_FOLDER / "rules").glob("*.yml"))
_ENDINGS = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}


def _exported() -> set[str]:
    """Every name that a query may use."""
    declared = [
        value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)
    ]
    assert declared
    return {metric.name for metric in METRICS} | {
        next(iter(metric.describe())).name + ending
        for metric in declared
        for ending in _ENDINGS[type(metric)]
    }


def _prose(text: str) -> str:
    """Annotations speak of a metric as declared, without its ending."""
    return re.sub(r"(?m)^\s*(summary|action):.*$", "", text)


@pytest.mark.parametrize("path", [*_RULES, *DASHBOARDS], ids=lambda p: p.name)
def test_every_metric_that_is_asked_for_exists(path: Path) -> None:
    used = set(re.findall(r"\btonne_[a-z0-9_]+", _prose(path.read_text())))
    assert used <= _exported()


@pytest.mark.parametrize("process", ["ingest", "aggregator", "notify", "api"])
def test_a_process_tells_only_what_it_counts_itself(process: str) -> None:
    """A rule on what ingest stores must not see a zero of the API's."""
    told = {family.name for family in getattr(metrics, f"{process}_registry").collect()}
    assert told
    assert all(name.startswith(f"tonne_{process}_") for name in told)


def test_every_process_is_scraped_where_it_listens() -> None:
    settings = Settings()
    jobs = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in read_yaml(_FOLDER / "prometheus.yml")["scrape_configs"]
    }
    assert jobs == {
        "ingest": [f"ingest:{settings.ingest_metrics_port}"],
        "aggregator": [f"aggregator:{settings.aggregator_metrics_port}"],
        "notifier": [f"notifier:{settings.notify_metrics_port}"],
        "api": [f"api:{settings.api_port}"],
    }
    for job in jobs:
        shared = set(services()[job]["networks"]) & set(services()["prometheus"]["networks"])
        assert shared, f"prometheus does not reach {job}"


def test_rules_are_read_from_where_they_are_mounted() -> None:
    (path,) = read_yaml(_FOLDER / "prometheus.yml")["rule_files"]
    assert path == "/etc/prometheus/rules/*.yml"
    assert _RULES
    assert "./prometheus:/etc/prometheus:ro" in services()["prometheus"]["volumes"]


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    rules = [
        rule for path in _RULES for group in read_yaml(path)["groups"] for rule in group["rules"]
    ]
    assert rules
    for rule in rules:
        assert rule["expr"]
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_operation_is_drawn_from_metrics() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "operation.json").read_text())
    asked = " ".join(t["expr"] for panel in dashboard["panels"] for t in panel["targets"])
    for process in ("ingest", "aggregator", "api"):
        assert f"tonne_{process}_" in asked


def test_the_pipeline_is_drawn_from_the_broker_to_the_recipient() -> None:
    """Each stage with its rate, its time and what goes wrong there."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "pipeline.json").read_text())
    asked = " ".join(t["expr"] for panel in dashboard["panels"] for t in panel["targets"])
    for metric in (
        "tonne_ingest_messages_total", "tonne_ingest_lag_seconds", "tonne_ingest_quarantined_total",
        "tonne_ingest_batch_seconds_bucket", "tonne_aggregator_backlog_rows",
        "tonne_aggregator_tick_seconds_bucket", "tonne_aggregator_failed_ticks_total",
        "tonne_api_request_seconds_bucket", "tonne_api_requests_total", "tonne_notify_waiting",
    ):  # fmt: skip
        assert metric in asked
    stages = [p["title"][0] for p in dashboard["panels"] if p["title"][0].isdigit()]
    assert stages == ["1", "2", "3", "4", "5"]
