from __future__ import annotations

from services.ingest.subscriptions import filters


def test_without_own_topics_everything_below_emissions() -> None:
    assert filters([], most_own=5) == {"emissions/#"}


def test_own_topics_of_one_shape_share_a_filter_however_many() -> None:
    one = filters(["tele/pow1/SENSOR"], most_own=5)
    many = filters([f"tele/pow{i}/SENSOR" for i in range(100)], most_own=5)
    assert one == many == {"emissions/#", "tele/+/+"}


def test_shapes_and_single_levels_stay_apart() -> None:
    topics = ["shellies/a/emeter/0/power", "tele/pow1/SENSOR", "meter7"]
    assert filters(topics, most_own=5) == {"emissions/#", "shellies/+/+/+/+", "tele/+/+", "meter7"}


def test_own_topics_below_emissions_need_no_filter_of_their_own() -> None:
    assert filters(["emissions/linz/gateway/raw"], most_own=5) == {"emissions/#"}


def test_too_many_beginnings_share_a_filter_for_each_number_of_levels() -> None:
    topics = [f"shelly-{i}/events/rpc" for i in range(5)]
    assert len(filters(topics, most_own=5)) == 6
    assert filters([*topics, "zigbee2mqtt/plug", "dsmr/json"], most_own=5) == {
        "emissions/#",
        "+/+/+",
        "+/+",
    }


def test_tonnes_own_topics_are_never_brought_twice() -> None:
    topics = [f"shelly-{i}/events/rpc" for i in range(6)]
    assert filters([*topics, "emonhub/rx/10/values"], most_own=5) == {
        "emissions/#",
        "+/+/+",
        "emonhub/+/+/+",
    }
