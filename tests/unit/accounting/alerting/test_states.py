"""States by data time: hysteresis, lasting, no data, projection; and the same history always."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.alerting.history import revise
from services.core.accounting.alerting.states import NAMES, States, Transition, fold
from services.core.accounting.alerting.verdicts import (
    CLEAR,
    Limits,
    minutes_to_limit,
    projected_value,
)

NAN = float("nan")


def limits(*, limit: float = 10, clear: float = 8, above: bool = True) -> Limits:
    return Limits(
        limit=np.array([limit]),
        clear=np.array([clear]),
        above=np.array([above]),
        additive=np.array([True]),
    )


def evaluated(
    values: list[float],
    *,
    lasts: int = 0,
    of: Limits | None = None,
    ahead: list[float] | None = None,
    states: States | None = None,
    first: int = 0,
    begins: int = 0,
) -> list[Transition]:
    of = of or limits()
    verdicts = of.verdicts(np.array([values], dtype=float))
    coming = np.full_like(verdicts, CLEAR) if ahead is None else of.verdicts(np.array([ahead]))
    return fold(
        states or States.inactive(1),
        verdicts=verdicts,
        ahead=coming,
        first_minute=first,
        lasts=np.array([lasts]),
        begins=np.array([begins]),
    )


def minutes_and_states(transitions: list[Transition]) -> list[tuple[int, str]]:
    return [(t.minute, NAMES[t.state] + (" projected" if t.projected else "")) for t in transitions]


def test_it_fires_when_it_has_lasted_and_resolves_when_it_is_clear() -> None:
    found = evaluated([5, 11, 11, 11, 9, 9, 8, 9], lasts=2)
    assert minutes_and_states(found) == [(1, "pending"), (3, "firing"), (6, "resolved")]
    assert [t.since for t in found] == [1, 1, 6]


def test_what_does_not_last_does_not_fire() -> None:
    assert minutes_and_states(evaluated([11, 11, 5, 11, 5], lasts=2)) == [
        (0, "pending"), (2, "inactive"), (3, "pending"), (4, "inactive"),
    ]  # fmt: skip


def test_it_fires_at_once_where_it_need_not_last() -> None:
    assert minutes_and_states(evaluated([11, 7, 12])) == [
        (0, "firing"),
        (1, "resolved"),
        (2, "firing"),
    ]


def test_the_limit_itself_is_not_beyond_it() -> None:
    assert minutes_and_states(evaluated([10, 10])) == []


def test_no_data_is_neither_zero_nor_clear() -> None:
    found = evaluated([11, NAN, NAN, 11, 7])
    assert minutes_and_states(found) == [
        (0, "firing"), (1, "firing-no-data"), (3, "firing"), (4, "resolved"),
    ]  # fmt: skip
    assert minutes_and_states(evaluated([5, NAN, 5])) == [(1, "no-data"), (2, "inactive")]


def test_what_is_pending_begins_again_after_no_data() -> None:
    assert minutes_and_states(evaluated([11, NAN, 11, 11, 11], lasts=2)) == [
        (0, "pending"), (1, "no-data"), (2, "pending"), (4, "firing"),
    ]  # fmt: skip


def test_below() -> None:
    of = limits(limit=0.9, clear=0.95, above=False)
    assert minutes_and_states(evaluated([1, 0.8, 0.92, 0.95], of=of)) == [
        (1, "firing"),
        (3, "resolved"),
    ]


def test_a_sum_of_which_a_part_is_unknown_says_only_that_it_is_too_much() -> None:
    of = limits()
    incomplete = np.array([[True, True, False]])
    assert of.verdicts(np.array([[11.0, 5.0, 5.0]]), incomplete).tolist() == [[2, -1, 0]]
    below = limits(limit=5, clear=5, above=False)
    assert below.verdicts(np.array([[1.0, 1.0, 1.0]]), incomplete).tolist() == [[-1, -1, 2]]


def test_a_projected_alert_becomes_a_real_one_and_ends_with_its_window() -> None:
    found = evaluated([2, 4, 11, 12, 0, 0], ahead=[7, 12, 13, 14, 15, 0])
    assert minutes_and_states(found) == [
        (1, "firing projected"), (2, "firing"), (4, "resolved"),
    ]  # fmt: skip


def test_after_a_real_alert_the_next_window_is_projected_from_its_second_minute() -> None:
    found = evaluated([11, 0, 0], ahead=[20, 20, 20])
    assert minutes_and_states(found) == [(0, "firing"), (1, "resolved"), (2, "firing projected")]


def test_a_projected_alert_ends_when_the_rate_falls() -> None:
    found = evaluated([2, 2, 2, 2], ahead=[11, 9, 8, 8])
    assert minutes_and_states(found) == [(0, "firing projected"), (2, "resolved")]


def test_a_threshold_judges_nothing_from_before_it_came_into_force() -> None:
    assert minutes_and_states(evaluated([11, 11, 11], begins=1, lasts=1)) == [
        (1, "pending"),
        (2, "firing"),
    ]


def test_what_a_window_ends_with_at_the_present_rate() -> None:
    ends = projected_value(np.array([[100.0]]), np.array([[2.0]]), np.array([[30]]))
    assert ends.tolist() == [[160.0]]
    assert minutes_to_limit(100, 150, 2.0) == pytest.approx(25)
    assert minutes_to_limit(100, 150, 0.0) is None


class Engine:
    """Judges as the aggregator does: from the first minute that changed, on what is known."""

    def __init__(self, lasts: int) -> None:
        self.lasts = lasts
        self.values: dict[int, float] = {}
        self.ahead: dict[int, float] = {}
        self.history: list[Transition] = []
        self.judged_to = -1

    def take(self, batch: dict[int, tuple[float, float]], upto: int) -> None:
        for minute, (value, ahead) in batch.items():
            self.values[minute], self.ahead[minute] = value, ahead
        first = min([self.judged_to + 1, *batch])
        upto = max(upto, self.judged_to)
        states = States.inactive(1)
        for transition in self.history:
            if transition.minute < first:
                states.put(transition)
        minutes = range(first, upto + 1)
        now = evaluated(
            [self.values.get(m, NAN) for m in minutes],
            ahead=[self.ahead.get(m, 0.0) for m in minutes],
            lasts=self.lasts,
            states=states,
            first=first,
        )
        revised = revise([t for t in self.history if t.minute >= first], now)
        kept = [t for t in self.history if t not in revised.retracted]
        self.history = sorted([*kept, *revised.added], key=lambda t: t.minute)
        self.judged_to = upto


value = st.sampled_from([0.0, 8.0, 9.0, 10.0, 11.0, NAN])
ahead = st.sampled_from([0.0, 9.0, 12.0])


@given(
    data=st.lists(st.tuples(value, ahead), min_size=1, max_size=40),
    lasts=st.integers(0, 4),
    random=st.randoms(use_true_random=False),
)
def test_any_order_and_batching_and_restarts_give_the_same_history(
    data: list[tuple[float, float]], lasts: int, random: object
) -> None:
    minutes = list(range(len(data)))
    random.shuffle(minutes)  # type: ignore[attr-defined]
    engine = Engine(lasts)
    while minutes:
        size = random.randint(1, 4)  # type: ignore[attr-defined]
        batch, minutes = minutes[:size], minutes[size:]
        # what arrives twice, or is corrected on the way, leaves no trace either
        wrong = {m: (random.choice([0.0, 11.0]), 0.0) for m in batch}  # type: ignore[attr-defined]
        if random.random() < 0.3:  # type: ignore[attr-defined]
            engine.take(wrong, max(batch))
        engine.take({m: data[m] for m in batch}, max(batch))
    engine.take({}, len(data) - 1)
    whole = evaluated([v for v, _ in data], ahead=[a for _, a in data], lasts=lasts)
    assert engine.history == whole


@given(
    data=st.lists(st.lists(value, min_size=30, max_size=30), min_size=3, max_size=3),
    lasts=st.lists(st.integers(0, 6), min_size=3, max_size=3),
)
def test_thresholds_do_not_touch_each_other(data: list[list[float]], lasts: list[int]) -> None:
    of = Limits(
        limit=np.full(3, 10.0),
        clear=np.full(3, 8.0),
        above=np.full(3, True),
        additive=np.full(3, True),
    )
    verdicts = of.verdicts(np.array(data))
    together = fold(
        States.inactive(3),
        verdicts=verdicts,
        ahead=np.zeros_like(verdicts),
        first_minute=0,
        lasts=np.array(lasts),
        begins=np.zeros(3, dtype=np.int64),
    )
    for i in range(3):
        alone = evaluated(data[i], lasts=lasts[i])
        assert minutes_and_states([t for t in together if t.threshold == i]) == minutes_and_states(
            alone
        )
