from __future__ import annotations

from datetime import datetime, timedelta

from services.notify.alertmanager import alert_of
from tests.unit.notify.messages import NOON, message


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_an_alert_and_its_end_have_the_same_labels() -> None:
    fired = alert_of(message(), NOON)
    resolved = alert_of(message("resolved", value=1.0), NOON)
    assert fired["labels"] == resolved["labels"]
    assert fired["labels"] == {
        "alertname": "TonneThreshold",
        "facility": "linz",
        "threshold": "stack-1-hourly",
        "source": "stack-1",
        "measure": "total",
        "window": "1h",
        "severity": "critical",
    }
    assert fired["annotations"]["value"] == "12345.5"


def test_names_and_the_unit_are_annotations_so_that_a_new_name_is_no_new_alert() -> None:
    shown = {"source_name": "Kiln 1", "device_name": "Analyser", "unit": "kg"}
    alert = alert_of(message(**shown), NOON)
    assert alert["labels"] == alert_of(message(), NOON)["labels"]
    assert shown.items() <= alert["annotations"].items()


def test_it_fires_on_beyond_a_restart_of_the_notifier() -> None:
    fired = alert_of(message(fired_at="2026-11-24T11:58:00Z"), NOON)
    assert instant(fired["startsAt"]) == NOON - timedelta(minutes=2)
    assert instant(fired["endsAt"]) >= NOON + timedelta(hours=1)


def test_an_end_is_an_end_at_once_and_never_before_the_start() -> None:
    ahead = (NOON + timedelta(minutes=5)).isoformat()
    for fired_at, resolved_at in (
        ("2026-11-24T11:00:00Z", "2026-11-24T11:30:00Z"),
        ("2026-11-24T11:00:00Z", ahead),
        (ahead, "2026-11-24T11:30:00Z"),
    ):
        alert = alert_of(message("resolved", fired_at=fired_at, resolved_at=resolved_at), NOON)
        assert instant(alert["startsAt"]) <= instant(alert["endsAt"]) <= NOON
