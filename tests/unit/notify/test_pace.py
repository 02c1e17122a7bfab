from __future__ import annotations

from services.notify.pace import LONGEST_PAUSE_S, Pace
from services.notify.retry import refused_wait_s


def test_a_failing_recipient_is_left_alone_ever_longer_but_not_for_good() -> None:
    pace = Pace(16)
    now_s = 100.0
    pauses = []
    for _ in range(20):
        pauses.append(pace.failed(now_s))
        assert pace.paused_s(now_s) > 0
        now_s += pauses[-1]
        assert pace.paused_s(now_s) == 0
    assert 0.5 <= pauses[0] <= 1.0
    assert all(LONGEST_PAUSE_S / 2 <= pause_s <= LONGEST_PAUSE_S for pause_s in pauses[-5:])
    assert len(set(pauses[-5:])) == 5, "jitter"


def test_messages_that_fail_together_count_once() -> None:
    pace = Pace(16)
    first_s = pace.failed(0.0)
    assert all(pace.failed(0.0) == first_s for _ in range(15))
    assert pace.failed(first_s) <= 2.0


def test_it_is_tried_gently_and_then_again_at_full_width() -> None:
    pace = Pace(16)
    assert pace.width == 16
    pace.failed(0.0)
    widths = []
    for _ in range(6):
        widths.append(pace.width)
        pace.record_success()
    assert widths == [1, 2, 4, 8, 16, 16]
    assert pace.paused_s(0.0) == 0


def test_a_recipient_that_asks_for_rest_gets_it() -> None:
    pace = Pace(4)
    assert pace.failed(0.0, wait_s=120.0) == 120.0
    assert pace.paused_s(119.0) == 1.0


def test_a_refused_message_is_tried_for_days_ever_more_rarely() -> None:
    waits = [refused_wait_s(tries) for tries in range(1, 200)]
    assert 2.5 <= waits[0] <= 5.0
    assert max(waits) <= 3600.0
    assert min(waits[20:]) >= 1800.0
    assert sum(waits) > 3 * 86_400
