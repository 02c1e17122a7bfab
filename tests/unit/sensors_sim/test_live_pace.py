from __future__ import annotations

import pytest

from sensors_sim.live import Pace

WALL_S = 1_795_456_800.0


def test_real_pace_is_the_wall_clock() -> None:
    pace = Pace(start_ms=int(WALL_S * 1000), wall_start_s=WALL_S, speed=1.0)
    assert pace.wall_s(int(WALL_S * 1000) + 5000) == pytest.approx(WALL_S + 5.0)


def test_a_faster_run_catches_up_and_then_keeps_real_pace() -> None:
    pace = Pace(start_ms=int((WALL_S - 600) * 1000), wall_start_s=WALL_S, speed=61.0)
    assert pace.wall_s(int((WALL_S - 600 + 61) * 1000)) == pytest.approx(WALL_S + 1.0)
    assert pace.wall_s(int((WALL_S + 10) * 1000)) == pytest.approx(WALL_S + 10.0)
    assert pace.wall_s(int((WALL_S + 100) * 1000)) == pytest.approx(WALL_S + 100.0)
    assert pace.now_ms(WALL_S + 100.0) == int((WALL_S + 100) * 1000)
