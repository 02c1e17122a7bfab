from __future__ import annotations

import numpy as np
import pytest

from services.core.accounting.register_plausibility import CLOCK_ALLOWANCE_S
from services.core.accounting.registers import Epoch, RegisterConfig, RegisterSteps, steps

HOUR = 3_600_000_000
MAX_5 = RegisterConfig(max_rate_per_h=5.0, resolution=0.01)


def run(values: list[float], config: RegisterConfig = MAX_5, every_us: int = HOUR) -> RegisterSteps:
    ts = np.arange(len(values), dtype=np.int64) * every_us
    return steps(ts, np.array(values), config)


def test_no_reading_and_one_reading_make_no_step() -> None:
    assert run([]).amount.size == 0
    assert run([7.0]).amount.size == 0


def test_plain_rises_are_counted_over_their_own_time() -> None:
    result = run([1.0, 2.5, 4.0])
    assert result.t0_us.tolist() == [0, HOUR]
    assert result.t1_us.tolist() == [HOUR, 2 * HOUR]
    assert result.amount.tolist() == [1.5, 1.5]


def test_a_value_that_is_not_finite_is_no_reading() -> None:
    result = run([1.0, float("nan"), 4.0])
    assert result.t1_us.tolist() == [2 * HOUR]
    assert result.amount.tolist() == [3.0]


def test_a_gap_does_not_lose_energy() -> None:
    ts = np.array([0, 100 * HOUR], dtype=np.int64)
    assert steps(ts, np.array([10.0, 400.0]), MAX_5).amount.tolist() == [390.0]


def test_the_bound_is_the_rate_times_the_time_plus_its_allowances() -> None:
    bound = 5.0 * (1 + CLOCK_ALLOWANCE_S / 3600) + 0.01
    assert run([0.0, bound - 1e-9]).amount.size == 1
    assert run([0.0, bound + 1e-9]).amount.size == 0


def test_the_last_digit_is_taken_from_the_readings() -> None:
    whole = RegisterConfig(max_rate_per_h=5.0)
    minute = 60_000_000
    assert run([100.0, 101.0, 101.0], whole, minute).amount.tolist() == [1.0, 0.0]
    assert run([100.25, 101.25, 101.25], whole, minute).amount.tolist() == [0.0]


def test_a_fall_is_held_until_something_is_read() -> None:
    result = run([13423.5, 13423.7, 0.0])
    (held,) = result.unconfirmed
    assert (held.t0_us, held.t1_us, held.value) == (HOUR, 2 * HOUR, -13423.7)
    assert result.amount.sum() == pytest.approx(0.2)
    assert result.incidents == ()


def test_a_held_fall_is_confirmed_by_a_rise_from_there() -> None:
    result = run([99.0, 99.5, 0.0, 0.5])
    assert result.unconfirmed == ()
    assert [each.kind for each in result.incidents] == ["reset"]
    assert result.amount.tolist() == [0.5, 0.0, 0.5]


def test_a_leap_is_held_then_retracted() -> None:
    (held,) = run([10.0, 12.0, 900.0]).unconfirmed
    assert held.value == 888.0
    assert "max_rate allows" in held.reason
    result = run([10.0, 12.0, 900.0, 14.0])
    assert result.unconfirmed == ()
    assert result.amount.tolist() == [2.0, 2.0]
    (incident,) = result.incidents
    assert (incident.kind, incident.skipped_value, incident.counted) == ("transient", 900.0, 2.0)
    assert (incident.t0_us, incident.t1_us) == (HOUR, 3 * HOUR)


def test_a_leap_is_held_then_confirmed_when_the_pace_over_both_steps_is_possible() -> None:
    result = run([10.0, 12.0, 19.0, 20.0])
    assert result.amount.tolist() == [2.0, 8.0]
    assert [each.kind for each in result.incidents] == ["confirmed"]


def test_a_stale_reading_before_a_leap_is_stepped_across_once_the_register_goes_on() -> None:
    assert run([10.0, 10.1, 19.5]).unconfirmed[0].value == pytest.approx(9.4)
    result = run([10.0, 10.1, 19.5, 24.0])
    assert result.amount.tolist() == [9.5, 4.5]
    assert [each.kind for each in result.incidents] == ["confirmed"]


def test_a_leap_nothing_explains_is_never_counted_but_stays_visible() -> None:
    result = run([10.0, 12.0, 900.0, 901.0, 902.0])
    assert result.amount.tolist() == [2.0, 1.0, 1.0]
    (jump,) = result.incidents
    assert (jump.kind, jump.before, jump.after, jump.counted) == ("jump", 12.0, 900.0, None)


def test_a_rollover_is_refused_when_it_would_be_too_fast() -> None:
    config = RegisterConfig(modulus=1000.0, max_rate_per_h=5.0)
    assert [each.kind for each in run([990.0, 994.0, 6.0, 8.0], config).incidents] == ["reset"]


def test_a_rollover_is_counted_at_once() -> None:
    config = RegisterConfig(modulus=1000.0, max_rate_per_h=5.0)
    result = run([994.0, 998.0, 2.0], config)
    assert result.amount.tolist() == [4.0, 4.0]
    assert result.unconfirmed == ()


def test_a_transient_zero_close_to_the_modulus_is_no_rollover() -> None:
    config = RegisterConfig(modulus=1000.0, max_rate_per_h=5.0)
    result = run([996.0, 998.0, 0.0, 999.0], config)
    assert result.amount.tolist() == [2.0, 1.0]
    assert [each.kind for each in result.incidents] == ["transient"]


def test_an_index_above_the_modulus_is_not_believed() -> None:
    config = RegisterConfig(modulus=1000.0)
    result = run([10.0, 1200.0, 1300.0], config)
    assert result.amount.size == 0


def test_a_reset_counts_no_more_than_the_pace_beside_it_brings() -> None:
    at_pace = run([500.0, 501.0, 1.0, 2.0])
    assert at_pace.amount.tolist() == [1.0, 1.0, 1.0]
    too_much = run([500.0, 501.0, 3.0, 4.0])
    assert too_much.amount.tolist() == [1.0, 1.0]
    assert too_much.incidents[0].counted is None


def test_float_noise_is_no_fall() -> None:
    result = run([0.3, 0.1 + 0.2, 0.3, 0.4])
    assert result.amount.sum() == pytest.approx(0.1)
    assert result.incidents == ()


def test_nothing_is_counted_across_epochs_without_a_start() -> None:
    config = RegisterConfig(
        max_rate_per_h=5.0, epochs=(Epoch(from_us=HOUR + 1, reason="replacement"),)
    )
    result = run([100.0, 101.0, 102.0, 103.0], config)
    assert result.amount.tolist() == [1.0, 1.0]
    (incident,) = result.incidents
    assert (incident.kind, incident.counted) == ("replacement", None)


def test_an_epochs_start_counts_from_its_own_beginning() -> None:
    begin = HOUR + HOUR // 2
    config = RegisterConfig(max_rate_per_h=5.0, epochs=(Epoch(from_us=begin, start=12.5),))
    result = run([100.0, 101.0, 13.5, 15.0], config)
    assert result.t0_us.tolist() == [0, begin, 2 * HOUR]
    assert result.amount.tolist() == [1.0, 1.0, 1.5]


def test_an_epoch_counts_from_its_start_even_if_nothing_was_read_before() -> None:
    config = RegisterConfig(epochs=(Epoch(from_us=-HOUR, start=12.5),))
    result = run([13.0, 14.0], config)
    assert result.t0_us.tolist() == [-HOUR, 0]
    assert result.amount.tolist() == [0.5, 1.0]


def test_an_index_below_its_declared_start_is_reported_and_not_counted() -> None:
    config = RegisterConfig(epochs=(Epoch(from_us=HOUR, start=12.5, reason="replacement"),))
    result = run([100.0, 12.0, 13.0], config)
    assert result.amount.tolist() == [1.0]
    assert "below its declared start" in result.incidents[0].reason


def test_too_much_above_a_declared_start_is_held_then_a_jump() -> None:
    config = RegisterConfig(max_rate_per_h=5.0, epochs=(Epoch(from_us=HOUR, start=0.0),))
    assert run([100.0, 700.0], config).unconfirmed[0].value == 700.0
    result = run([100.0, 700.0, 701.0], config)
    assert result.amount.tolist() == [1.0]
    assert [each.kind for each in result.incidents] == ["jump"]


def test_an_epoch_may_have_its_own_modulus() -> None:
    config = RegisterConfig(
        modulus=1000.0,
        max_rate_per_h=5.0,
        epochs=(Epoch(from_us=HOUR, start=9997.0, modulus=10_000.0),),
    )
    result = run([10.0, 9998.0, 1.0], config)
    assert result.amount.tolist() == [1.0, 3.0]


def test_tariffs_of_one_meter_add_up() -> None:
    low, high = [10.0, 10.0, 12.0, 12.0], [50.0, 51.5, 51.5, 53.0]
    parts = run(low).amount.sum() + run(high).amount.sum()
    whole = run([a + b for a, b in zip(low, high, strict=True)])
    assert parts == pytest.approx(whole.amount.sum())
