from __future__ import annotations

from services.core.facility.model import Notify
from services.core.facility.recipients import shown, target_of, targets_of
from services.notify.recipients import Heartbeat, recipients_of

HOOK = "https://example.org/hook"


def test_every_facility_publishes_at_its_own_topics_unless_it_says_no() -> None:
    found = recipients_of(
        [("a", [], ()), ("b", [{"mqtt": False}], ()), ("c", [{"mqtt": True}], ())]
    )
    assert set(found.entries) == {("a", "mqtt"), ("c", "mqtt")}


def test_one_recipient_of_two_facilities_is_one_target_with_a_secret_for_each() -> None:
    found = recipients_of(
        [("a", [{"webhook": HOOK, "secret_env": "A"}], ("A",)), ("b", [{"webhook": HOOK}], ())]
    )
    assert found.targets() == {"mqtt", f"webhook {HOOK}"}
    entries = [found.entry(slug, f"webhook {HOOK}") for slug in ("a", "b", "c")]
    assert [entry and entry.secret_env for entry in entries] == ["A", None, None]


def test_heartbeats_are_counted_for_each_facility() -> None:
    found = recipients_of(
        [
            ("a", [{"mqtt": True, "heartbeat": 60}, {"email": "a@example.org"}], ()),
            ("b", [{"mqtt": True, "heartbeat": 3600}], ()),
        ]
    )
    assert found.heartbeats() == {
        "mqtt": [Heartbeat(facility="a", every_s=60), Heartbeat(facility="b", every_s=3600)]
    }


def test_an_entry_that_is_no_longer_understood_does_not_stop_the_others() -> None:
    found = recipients_of([("a", [{"pager": "1"}, {"webhook": HOOK}], ())])
    assert found.targets() == {"mqtt", f"webhook {HOOK}"}


def test_targets() -> None:
    for entry, target in (
        (Notify(webhook=HOOK), f"webhook {HOOK}"),
        (Notify(alertmanager="http://am:9093"), "alertmanager http://am:9093"),
        (Notify(email="a@example.org"), "email a@example.org"),
        (Notify(mqtt=True), "mqtt"),
    ):
        assert target_of(entry) == target


def test_what_is_shown_of_a_webhook_is_its_host() -> None:
    assert shown("webhook https://example.org/T0/secret?token=1") == "webhook https://example.org"
    assert shown("email a@example.org") == "email a@example.org"


def test_a_secret_is_granted_to_a_facility() -> None:
    found = recipients_of([("a", [], ("TONNE_SECRET_A",)), ("b", [], ())])
    assert found.may_sign("a", "TONNE_SECRET_A")
    assert not found.may_sign("b", "TONNE_SECRET_A")
    assert not found.may_sign("a", None)
    assert not found.may_sign("c", "TONNE_SECRET_A")


def test_a_retired_facility_says_no_longer_that_its_alerts_are_watched() -> None:
    rows = [
        ("a", [{"mqtt": True, "heartbeat": 60}], ()),
        ("b", [{"mqtt": True, "heartbeat": 60}], ()),
    ]
    found = recipients_of(rows, retired=frozenset({"a"}))
    assert found.heartbeats() == {"mqtt": [Heartbeat(facility="b", every_s=60)]}
    # how its last alerts ended is told
    assert found.entry("a", "mqtt") is not None


def test_home_assistant_gets_totals_and_no_alert() -> None:
    listed = recipients_of(
        [(slug, [{"homeassistant": slug != "c"}], ()) for slug in "abc"], retired=frozenset("b")
    )
    assert listed.announced == {"a"}
    assert listed.targets() == {"mqtt"}
    assert targets_of([Notify(homeassistant=True), Notify(mqtt=False)]) == []
