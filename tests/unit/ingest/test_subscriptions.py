from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.facility.topics import uncarried
from services.ingest.sources.subscriptions import ALL, NATIVE, filters, former, matches, step, units

LIMIT = 6
#: What NATS as shipped takes: 65535 divided by 8192.
GRANTED = 7


def test_without_own_topics_everything_below_emissions() -> None:
    assert filters([], max_units=LIMIT) == {NATIVE}


def test_own_topics_of_one_shape_share_a_filter_however_many() -> None:
    one = filters(["tele/pow1/SENSOR"], max_units=LIMIT)
    many = filters([f"tele/pow{i}/SENSOR" for i in range(100)], max_units=LIMIT)
    assert one == many == {NATIVE, "tele/+/+"}


def test_shapes_and_single_levels_stay_apart() -> None:
    topics = ["shellies/a/emeter/0/power", "tele/pow1/SENSOR", "meter7"]
    assert filters(topics, max_units=LIMIT) == {NATIVE, "shellies/+/+/+/+", "tele/+/+", "meter7"}


def test_own_topics_below_emissions_need_no_filter_of_their_own() -> None:
    assert filters(["emissions/linz/gateway/raw", "emissions"], max_units=LIMIT) == {NATIVE}


def test_many_levels_of_one_beginning_are_joined_below_it() -> None:
    topics = ["/".join(["My Home", *(["x"] * n)]) for n in range(1, 9)]
    assert filters(topics, max_units=LIMIT) == {NATIVE, "My Home/#"}


def test_too_many_beginnings_are_heard_by_one_filter_that_stands_alone() -> None:
    four = [f"site-{i}/b1/meter1/energy" for i in range(4)]
    assert units(filters(four, max_units=LIMIT)) == LIMIT
    assert filters([*four, "fulda/b1/meter1/energy"], max_units=LIMIT) == {ALL}
    assert units({ALL}) == 1


def test_topics_that_no_subscription_brings_take_no_filter() -> None:
    topics = ["$JS/API/x", "a\nb/c", "x/\x00", "/".join("x" * 101), "a/" + "b" * 5000, "a/b+"]
    assert all(uncarried(topic) for topic in topics)
    assert filters(topics, max_units=LIMIT) == {NATIVE}
    assert not uncarried("My Home/energy")


def test_a_topic_with_a_level_for_the_id_has_the_filter_of_its_devices() -> None:
    assert filters(["gw/+/telemetry", "gw/a1/telemetry"], max_units=LIMIT) == {NATIVE, "gw/+/+"}


@pytest.mark.parametrize(
    ("filter_", "topic", "expected"),
    [
        ("tele/+/+", "tele/a/b", True),
        ("tele/+/+", "tele/a", False),
        ("tele/#", "tele", True),
        ("tele/#", "tele/a/b", True),
        ("tele/#", "other/a", False),
        ("#", "a/b/c", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("meter7", "meter7", True),
        ("a//+", "a//b", True),
    ],
)
def test_a_filter_matches_as_mqtt_says(filter_: str, topic: str, expected: bool) -> None:
    assert matches(filter_, topic) is expected


LEVEL = st.sampled_from(["a", "b", "c", "d", "e", "f", "My Home", "v1.2", ""])
TOPIC = st.lists(LEVEL, min_size=1, max_size=9).map("/".join).filter(lambda topic: topic != "")
TOPICS = st.frozensets(TOPIC, max_size=12)


@given(TOPICS)
def test_every_topic_is_heard_once_within_the_allowance(topics: frozenset[str]) -> None:
    chosen = filters(topics, max_units=LIMIT)
    assert units(chosen) <= LIMIT
    for topic in {*topics, "emissions/linz/meter/readings", "emissions/a"}:
        assert sum(matches(each, topic) for each in chosen) == 1


@given(st.lists(TOPICS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_change_at_any_time_stays_within_what_is_granted_and_keeps_what_is_heard(
    registries: list[frozenset[str]], dice: random.Random
) -> None:
    """``held`` is the broker's session: it has each filter that was asked for and not left."""
    held: set[str] = set()
    for topics in registries:
        for _ in range(dice.randint(1, 4)):
            before = set(held)
            now = step(held, filters(topics, max_units=LIMIT), topics, max_units=LIMIT)
            assert not now.wanted & now.draining
            assert before - now.needless <= now.wanted | now.draining
            held = before - now.needless | now.wanted
            assert units(held) <= GRANTED
            for topic in topics:
                # nothing that was heard ceases to be, and what is new is heard at once
                assert any(matches(each, topic) for each in now.wanted)
                assert not any(matches(each, topic) for each in now.needless)
            if dice.random() < 0.6:
                held -= now.draining
    # left alone it comes to rest at what the registry asks for
    for _ in range(4):
        now = step(held, filters(topics, max_units=LIMIT), topics, max_units=LIMIT)
        held = held - now.needless - now.draining | now.wanted
    assert held == filters(topics, max_units=LIMIT)


def test_where_old_and_new_do_not_fit_everything_is_heard_meanwhile() -> None:
    old = [f"old-{i}/x" for i in range(4)]
    new = [*old, "new/y"]
    held = filters(old, max_units=LIMIT)
    first = step(held, filters(new, max_units=LIMIT), new, max_units=LIMIT)
    assert first.wanted == {ALL}
    assert first.draining == held
    assert step({ALL}, filters(new, max_units=LIMIT), new, max_units=LIMIT).wanted == {ALL}
    # back to few: the wide one stays until it is drained
    back = step({ALL}, filters(old, max_units=LIMIT), old, max_units=LIMIT)
    assert back.wanted == held
    assert back.draining == {ALL}


def test_a_filter_that_no_device_needs_is_left_at_once() -> None:
    now = step({NATIVE, "gone/+"}, frozenset({NATIVE}), [], max_units=LIMIT)
    assert now.needless == {"gone/+"}
    assert not now.draining


def test_what_is_refused_is_heard_by_the_filter_for_everything_if_that_is_granted() -> None:
    wanted = frozenset({NATIVE, "tele/+/+"})
    options = {"max_units": LIMIT, "refused": {"tele/+/+"}}
    topics = ["tele/a/b"]
    assert step({NATIVE}, wanted, topics, **options).wanted == {ALL}
    options["refused"] = {"tele/+/+", ALL}
    assert step({NATIVE}, wanted, topics, **options).wanted == wanted
    # a space is no reason to hear everything: no filter of NATS' brings such a topic
    spaced = frozenset({NATIVE, "My Home/+"})
    refused = {"My Home/+"}
    assert step({NATIVE}, spaced, ["My Home/e"], max_units=LIMIT, refused=refused).wanted == spaced


def test_sessions_from_before_filters_were_noted_may_hold_shapes_or_levels() -> None:
    assert former(["tele/a/b", "meter7"]) == {NATIVE, "tele/+/+", "meter7", "+/+/+", "+"}


def test_no_two_filters_of_a_set_overlap() -> None:
    topics = [f"{first}/{'/'.join('x' * n)}" for first in "abc" for n in range(1, 4)]
    chosen = filters(topics, max_units=None)
    for one, other in combinations(chosen, 2):
        sample = one.replace("+", "x").replace("#", "x")
        assert not matches(other, sample)
