"""The rules on the distribution's Prometheus: each fires on what it is for, and else is quiet."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.repository.files import DEPLOY, read_yaml

_FOLDER = DEPLOY / "prometheus"
_RULES = {
    rule["alert"]: rule
    for path in sorted((_FOLDER / "rules").glob("*.yml"))
    for group in read_yaml(path)["groups"]
    for rule in group["rules"]
}
_INGEST = 'instance="ingest:9101",job="ingest"'
_AGGREGATOR = 'instance="aggregator:9102",job="aggregator"'
_NOTIFIER = 'instance="notifier:9103",job="notifier"'


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series by the minute, in promtool's notation, and what becomes of them after ``minutes``."""

    fires: dict[str, str]
    summary: str
    quiet: dict[str, str]
    minutes: int = 30
    labels: dict[str, str] = field(default_factory=dict)


def ingest(name: str, more: str = "") -> str:
    return f"tonne_ingest_{name}{{{_INGEST}{more}}}"


_OF_INGEST = {"instance": "ingest:9101", "job": "ingest"}
CASES = {
    "TonneIngestStopped": Case(
        fires={ingest("messages_total"): "0+60x10 600x20"},
        summary="No message was stored for 15 minutes",
        # a pause of ten minutes
        quiet={ingest("messages_total"): "0+60x15 900x9 960+60x6"},
        labels=_OF_INGEST,
    ),
    "TonneReadingsLate": Case(
        fires={ingest("messages_total"): "0+60x30", ingest("lag_seconds"): "5x10 90x20"},
        summary="The newest reading is 1m 30s behind",
        # late because nothing comes is another alert
        quiet={ingest("messages_total"): "600x30", ingest("lag_seconds"): "600+60x30"},
        labels=_OF_INGEST,
    ),
    "TonneBrokerConnectionUnsteady": Case(
        fires={ingest("reconnects_total"): "0x20 0+1x10"},
        summary="Ingest had to connect to the broker 9 times in 10 minutes",
        quiet={ingest("reconnects_total"): "0x20 2x10"},
        labels=_OF_INGEST,
    ),
    "TonneMostlyQuarantined": Case(
        fires={
            ingest("messages_total"): "0+60x30",
            ingest("quarantined_total", ',reason="bad_value"'): "0+20x30",
            ingest("quarantined_total", ',reason="unknown_device"'): "0+20x30",
        },
        summary="More than half of what arrives is refused",
        quiet={
            ingest("messages_total"): "0+60x30",
            ingest("quarantined_total", ',reason="bad_value"'): "0+20x30",
        },
    ),
    "TonneQuarantineSheds": Case(
        fires={ingest("shed_total"): "0x25 12x5"},
        summary="Quarantine is full, 12 refusals were dropped in 10 minutes",
        quiet={ingest("shed_total"): "0x5 12x25"},
        labels=_OF_INGEST,
    ),
    "TonneConflicts": Case(
        fires={ingest("readings_total", ',result="conflict"'): "0x20 3x40"},
        summary="3 readings contradict stored ones",
        quiet={
            ingest("readings_total", ',result="conflict"'): "7x60",
            ingest("readings_total", ',result="duplicate"'): "0+10x60",
        },
        minutes=60,
        labels={**_OF_INGEST, "result": "conflict"},
    ),
    "TonneTotalsLate": Case(
        fires={f"tonne_aggregator_backlog_rows{{{_AGGREGATOR}}}": "0x20 5000x10"},
        summary="5000 batches of readings are not in the totals yet",
        quiet={f"tonne_aggregator_backlog_rows{{{_AGGREGATOR}}}": "0x20 5000x4 10x6"},
        labels={"instance": "aggregator:9102", "job": "aggregator"},
    ),
    "TonneSetAside": Case(
        fires={f"tonne_aggregator_set_aside{{{_AGGREGATOR}}}": "0x10 2x20"},
        summary="2 sources or facilities cannot be computed",
        quiet={f"tonne_aggregator_set_aside{{{_AGGREGATOR}}}": "0x20 2x2 0x8"},
        labels={"instance": "aggregator:9102", "job": "aggregator"},
    ),
    "TonneHoursNotClosing": Case(
        fires={f"tonne_aggregator_overdue_seconds{{{_AGGREGATOR}}}": "0+300x30"},
        summary="The oldest open hour should have been final 2h 30m 0s ago",
        quiet={f"tonne_aggregator_overdue_seconds{{{_AGGREGATOR}}}": "0x10 900x20"},
        labels={"instance": "aggregator:9102", "job": "aggregator"},
    ),
    "TonneClockJumped": Case(
        fires={f"tonne_aggregator_clock_jump_seconds{{{_AGGREGATOR}}}": "0x28 7200x2"},
        summary="The database's clock jumped by 2h 0m 0s; no hour is closed until it has been"
        " steady for five minutes",
        quiet={f"tonne_aggregator_clock_jump_seconds{{{_AGGREGATOR}}}": "0x10 -3600x2 0x20"},
        labels={"instance": "aggregator:9102", "job": "aggregator"},
    ),
    "TonneClocksDiffer": Case(
        fires={f"tonne_aggregator_clock_ahead_seconds{{{_AGGREGATOR}}}": "0x20 -90x10"},
        summary="The aggregator's machine and the database's are 1m 30s apart",
        quiet={f"tonne_aggregator_clock_ahead_seconds{{{_AGGREGATOR}}}": "2x30"},
        labels={"instance": "aggregator:9102", "job": "aggregator"},
    ),
    "TonneOutboxStuck": Case(
        fires={f"tonne_notify_oldest_seconds{{{_NOTIFIER}}}": "0x10 0+60x20"},
        summary="An alert has not been told for 19m 0s",
        quiet={f"tonne_notify_oldest_seconds{{{_NOTIFIER}}}": "0x10 250x20"},
        labels={"instance": "notifier:9103", "job": "notifier"},
    ),
    "TonneAlertsGivenUp": Case(
        fires={f'tonne_notify_abandoned_total{{{_NOTIFIER},kind="email"}}': "0x30 1x30"},
        summary="1 messages of alerts were given up",
        quiet={f'tonne_notify_abandoned_total{{{_NOTIFIER},kind="email"}}': "4x60"},
        minutes=60,
    ),
    "TonneProcessAway": Case(
        fires={f"up{{{_NOTIFIER}}}": "1x20 0x10", f"up{{{_INGEST}}}": "1x30"},
        summary="notifier does not answer",
        quiet={f"up{{{_NOTIFIER}}}": "1x20 0 1x10"},
        labels={"instance": "notifier:9103", "job": "notifier"},
    ),
    "TonneDatabaseAway": Case(
        fires={
            ingest("database_retries_total"): "0x25 0+2x5",
            f"tonne_aggregator_database_retries_total{{{_AGGREGATOR}}}": "0x25 0+2x5",
        },
        summary="The database refuses or drops connections",
        quiet={
            ingest("database_retries_total"): "0x25 0+1x5",
            f"tonne_aggregator_database_retries_total{{{_AGGREGATOR}}}": "0x25 0+1x5",
        },
    ),
    "TonneStandbyUnused": Case(
        fires={'tonne_api_standby_used{instance="api:8000",job="api"}': "1x10 0x20"},
        summary="The API at api:8000 has read from the primary alone for ten minutes, though a"
        " standby is named",
        # none is named, or it was restarted
        quiet={
            'tonne_api_standby_used{instance="api:8000",job="api"}': "-1x30",
            'tonne_api_standby_used{instance="api-2:8000",job="api"}': "1x20 0x5 1x5",
        },
        labels={"instance": "api:8000", "job": "api"},
    ),
    "TonneApiFails": Case(
        fires={'tonne_api_requests_total{job="api",route="/v1/live",status="503"}': "0+60x30"},
        summary="The API answers with errors of its own",
        quiet={
            'tonne_api_requests_total{job="api",route="/v1/live",status="404"}': "0+600x30",
            'tonne_api_requests_total{job="api",route="/v1/live",status="503"}': "0+2x30",
        },
    ),
}


def test_every_rule_has_its_case() -> None:
    assert set(CASES) == set(_RULES)


def test_each_fires_on_what_it_is_for_and_else_is_quiet(tmp_path: Path) -> None:
    tests = []
    for alert, case in CASES.items():
        rule = _RULES[alert]
        annotations = {"summary": case.summary, "action": rule["annotations"]["action"]}
        firing = {"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": annotations}
        for name, series, expected in (
            ("fires", case.fires, [firing]),
            ("is quiet", case.quiet, []),
        ):
            tests.append(
                {
                    "name": f"{alert} {name}",
                    "interval": "1m",
                    "input_series": [{"series": s, "values": v} for s, v in series.items()],
                    "alert_rule_test": [
                        {
                            "eval_time": f"{case.minutes}m",
                            "alertname": alert,
                            "exp_alerts": expected,
                        }
                    ],
                }
            )
    rules = [str(path) for path in sorted((_FOLDER / "rules").glob("*.yml"))]
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": rules, "tests": tests}))
    promtool("test", "rules", str(file))


def test_prometheus_accepts_its_settings() -> None:
    promtool("check", "config", "--syntax-only", str(_FOLDER / "prometheus.yml"))


def promtool(*words: str) -> None:
    try:
        done = subprocess.run(
            ["promtool", *words], capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    except FileNotFoundError:
        pytest.fail("promtool is missing; run: deploy/local/bootstrap.sh test")
    assert done.returncode == 0, done.stdout + done.stderr
