from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.route import Kind, parse, values_topic


def test_readings_and_status_of_a_device() -> None:
    readings = parse("emissions/linz/meter-grid/readings")
    assert (readings.kind, readings.facility, readings.device) == (
        Kind.READINGS,
        "linz",
        "meter-grid",
    )
    assert parse("emissions/linz/meter-grid/status").kind is Kind.STATUS


def test_values_of_a_facilitys_series_and_of_one_that_all_can_use() -> None:
    own = parse("emissions/linz/factors/grid-at/values")
    assert (own.kind, own.facility, own.series) == (Kind.VALUES, "linz", "grid-at")
    shared = parse("emissions/_shared/factors/zone-fr/values")
    assert (shared.kind, shared.facility, shared.series) == (Kind.VALUES, "", "zone-fr")
    for topic in (values_topic("linz", "grid-at"), values_topic(None, "zone-fr")):
        assert parse(topic).kind is Kind.VALUES


@pytest.mark.parametrize(
    "topic",
    [
        "emissions/linz/alerts/stack-1-hourly",
        "emissions/linz/totals",
        "tele/pow1/STATE",
        "",
        "emission",
        "/",
    ],
)
def test_what_tonne_publishes_itself_and_other_peoples_topics_are_ignored(topic: str) -> None:
    assert parse(topic).kind is Kind.IGNORED


@pytest.mark.parametrize(
    "topic",
    [
        "emissions",
        "emissions/",
        "emissions/linz",
        "emissions/linz/readings",
        "emissions/linz/meter-grid/sub/readings",
        "emissions/linz/meter-grid/reading",
        "emissions/linz/meter-grid/",
        "emissions//meter-grid/readings",
        "emissions/Linz/meter-grid/readings",
        "emissions/linz/meter_grid/readings",
        "emissions/linz/-meter/readings",
        "emissions/linz/meter\n/readings",
        f"emissions/linz/{'m' * 64}/readings",
        "emissions/linz/factors/grid-at/value",
        "emissions/linz/factors/Grid/values",
        "emissions//factors/grid-at/values",
        "emissions/_shared/factors//values",
        "emissions/_shared/meter-grid/readings",
    ],
)
def test_a_mistaken_topic_is_bad_and_says_why(topic: str) -> None:
    address = parse(topic)
    assert address.kind is Kind.BAD
    assert address.detail


@given(st.text() | st.lists(st.text(), max_size=6).map(lambda ls: "/".join(["emissions", *ls])))
def test_every_topic_is_understood_somehow(topic: str) -> None:
    assert isinstance(parse(topic).kind, Kind)
