from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensors_sim.load_books import DeviceBook, Latencies
from sensors_sim.load_messages import FIRST_NUMBER


@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_book_knows_count_and_contiguous_reach_in_any_order(
    order: list[int], taken: int
) -> None:
    book = DeviceBook("d")
    for number in order[:taken]:
        book.acknowledge(FIRST_NUMBER + number)
    missing = set(order[taken:])
    assert book.acknowledged == taken
    assert book.acknowledged_below == FIRST_NUMBER + min(missing, default=12)


@given(st.lists(st.floats(1e-5, 50.0), min_size=1, max_size=200), st.sampled_from([50, 99, 100]))
def test_a_percentile_is_right_to_four_per_cent(times: list[float], percent: int) -> None:
    latencies = Latencies()
    for seconds in times:
        latencies.add(seconds)
    rank = max(-(-len(times) * percent // 100), 1) - 1
    exact_ms = sorted(times)[rank] * 1000.0
    got = latencies.percentile_ms(percent)
    assert got is not None
    assert 0.96 * exact_ms - 0.001 <= got <= exact_ms + 0.001


def test_without_a_time_there_is_no_percentile() -> None:
    assert Latencies().percentile_ms(99) is None
    assert Latencies().max_ms is None


def test_messages_of_one_millisecond_have_times_of_their_own() -> None:
    book = DeviceBook("d")
    assert [book.stamp_ms(FIRST_NUMBER + n, now) for n, now in enumerate((5, 5, 6, 9))] == [
        5,
        6,
        7,
        9,
    ]


def test_a_history_is_stamped_by_number_and_not_by_the_clock() -> None:
    book = DeviceBook("d", begin_ms=1_000, step_ms=250.0)
    stamps = [book.stamp_ms(FIRST_NUMBER + n, now_ms=99_999) for n in range(3)]
    assert stamps == [1_000, 1_250, 1_500]
