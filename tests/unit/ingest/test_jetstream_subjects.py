from __future__ import annotations

import pytest

from services.ingest.sources.jetstream.subjects import subjects, topic


@pytest.mark.parametrize(
    ("as_topic", "as_subject"),
    [
        ("tele/pow1/SENSOR", "tele.pow1.SENSOR"),
        ("a.b/c", "a//b.c"),
        ("a//b", "a./.b"),
        ("/a", "/.a"),
        ("a/", "a./"),
        ("/", "/./"),
        ("a.", "a//"),
        ("zähler/1", "zähler.1"),
    ],
)
def test_a_topic_and_its_subject_say_the_same(as_topic: str, as_subject: str) -> None:
    assert subjects([as_topic]) == {as_subject}
    assert topic(as_subject) == as_topic


def test_wildcards_match_what_those_of_mqtt_match() -> None:
    assert subjects(["tele/+/+"]) == {"tele.*.*"}
    # MQTT's # matches the level above as well
    assert subjects(["emissions/#"]) == {"emissions.>", "emissions"}


def test_topics_that_nats_refuses_need_no_subject() -> None:
    assert subjects(["plant 1/+", "meter7"]) == {"meter7"}
