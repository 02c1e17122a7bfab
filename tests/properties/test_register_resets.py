"""Registers that begin again at zero each day, held against a plain simulation of the device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.core.accounting.register_resets import CLOCK_OFF_US
from services.core.accounting.registers import LOOK_AROUND, RegisterConfig, Resets, steps

VIENNA = ZoneInfo("Europe/Vienna")
MINUTE = 60_000_000
#: kWh/h
RATE = 12.0
DIGIT = 0.001
DAILY = RegisterConfig(
    max_rate_per_h=RATE, resolution=DIGIT, resets=Resets(every="day", zone=VIENNA)
)
#: Days in which clocks are put forward and back, and one of neither.
BEGINNINGS = [
    datetime(2026, 3, 27, 10, tzinfo=UTC),
    datetime(2026, 10, 23, 5, tzinfo=UTC),
    datetime(2026, 12, 31, 20, tzinfo=UTC),
]


@dataclass(frozen=True)
class Device:
    """What a device measured by the minute, and what was read of it."""

    begins: datetime
    #: kWh in each minute
    flow: list[float]
    #: minutes at which it was read, ascending
    read: list[int]
    #: how far its clock is behind
    late_min: int

    def day(self, minute: int) -> str:
        """The device's own date at the end of a minute."""
        instant = self.begins + timedelta(minutes=minute - self.late_min)
        return instant.astimezone(VIENNA).date().isoformat()

    def shown(self) -> dict[int, float]:
        total, day, register = 0.0, self.day(0), {}
        for minute, amount in enumerate(self.flow):
            if self.day(minute) != day:
                total, day = 0.0, self.day(minute)
            register[minute] = round(total, 3)
            total += amount
        return register


@st.composite
def devices(draw: st.DrawFn, late: st.SearchStrategy[int]) -> Device:
    minutes = 4 * 1440
    powers = draw(st.lists(st.sampled_from([0.0, 0.0, 0.3, 2.0, 11.0]), min_size=24, max_size=96))
    flow = [powers[(minute // 60) % len(powers)] / 60 for minute in range(minutes)]
    gaps = draw(st.lists(st.sampled_from([1, 5, 15, 60, 180, 700, 1500]), min_size=2, max_size=80))
    read = [int(at) for at in np.cumsum(gaps) if at < minutes]
    return Device(draw(st.sampled_from(BEGINNINGS)), flow, read, draw(late))


def counted(device: Device) -> float:
    result = steps(*readings(device), DAILY)
    assert (result.t0_us[1:] >= result.t1_us[:-1]).all()
    return float(result.amount.sum())


def readings(device: Device) -> tuple[np.ndarray, np.ndarray]:
    register = device.shown()
    begin = round(device.begins.timestamp() * 1e6)
    ts = np.array([begin + minute * MINUTE for minute in device.read], dtype=np.int64)
    return ts, np.array([register[minute] for minute in device.read])


def expected(device: Device) -> float:
    """Of each day what was shown last; of the first what it rose."""
    register = device.shown()
    lasts = [list(group)[-1] for _, group in groupby(device.read, key=device.day)]
    return sum(register[last] for last in lasts) - (
        register[device.read[0]] if device.read else 0.0
    )


def boundaries(device: Device) -> int:
    return len({device.day(minute) for minute in device.read})


def is_far_from_midnight(device: Device) -> bool:
    local = [
        (device.begins + timedelta(minutes=minute)).astimezone(VIENNA) for minute in device.read
    ]
    off = CLOCK_OFF_US // MINUTE
    return all(off <= at.hour * 60 + at.minute <= 1440 - off for at in local)


@given(device=devices(st.just(0)))
def test_each_day_comes_to_what_was_shown_last(device: Device) -> None:
    if is_far_from_midnight(device):
        assert counted(device) == pytest.approx(expected(device), abs=1e-9)
    slack = boundaries(device) * (RATE * CLOCK_OFF_US / 3.6e9 + DIGIT)
    assert abs(counted(device) - expected(device)) <= slack


#: Read at midnight and then at three: its clock is late, and each day shows as much.
SAME_EACH_DAY = Device(
    begins=datetime(2026, 12, 31, 20, tzinfo=UTC),
    flow=[11 / 60 if 120 <= minute < 180 or 240 <= minute < 300 else 0.0 for minute in range(600)],
    read=[180, 360],
    late_min=1,
)


@example(device=SAME_EACH_DAY)
@given(device=devices(st.integers(-10, 10)))
def test_a_clock_that_is_off_costs_no_more_than_flows_in_that_time(device: Device) -> None:
    slack = boundaries(device) * (RATE * CLOCK_OFF_US / 3.6e9 + DIGIT)
    assert abs(counted(device) - expected(device)) <= slack


@given(device=devices(st.integers(-10, 10)), data=st.data())
def test_a_window_of_the_readings_gives_the_same_steps_as_all_of_them(
    device: Device, data: st.DataObject
) -> None:
    ts, value = readings(device)
    if ts.size < 3:
        return
    first = data.draw(st.integers(0, ts.size - 2))
    last = data.draw(st.integers(first + 1, ts.size - 1))

    def rows(low: int, high: int) -> list[tuple[int, int, float]]:
        result = steps(ts[low:high], value[low:high], DAILY)
        listed = zip(
            result.t0_us.tolist(), result.t1_us.tolist(), result.amount.tolist(), strict=True
        )
        return [row for row in listed if row[1] > ts[first] and row[0] < ts[last]]

    around = rows(max(first - LOOK_AROUND, 0), last + 1 + LOOK_AROUND)
    assert around == rows(0, ts.size)


def run(config: RegisterConfig, *read: tuple[str, float]) -> list[tuple[str, str, float]]:
    """Steps in local time of Vienna."""
    ts = [datetime.fromisoformat(at).replace(tzinfo=VIENNA) for at, _ in read]
    us = np.array([round(at.timestamp() * 1e6) for at in ts], dtype=np.int64)
    result = steps(us, np.array([value for _, value in read]), config)

    def clock(at_us: int) -> str:
        return f"{datetime.fromtimestamp(at_us / 1e6, VIENNA):%dT%H:%M}"

    return [
        (clock(t0), clock(t1), round(amount, 6))
        for t0, t1, amount in zip(
            result.t0_us.tolist(), result.t1_us.tolist(), result.amount.tolist(), strict=True
        )
    ]


def test_what_was_shown_since_midnight_lies_after_midnight() -> None:
    read = [("2026-06-01T22:00", 23.1), ("2026-06-01T23:50", 23.4), ("2026-06-02T00:20", 0.2)]
    assert run(DAILY, *read) == [
        ("01T22:00", "01T23:50", 0.3),
        ("01T23:50", "02T00:00", 0.0),
        ("02T00:00", "02T00:20", 0.2),
    ]
    # as a plain counter it would be spread over both days
    plain = RegisterConfig(max_rate_per_h=RATE, resolution=DIGIT)
    assert ("01T23:50", "02T00:20", 0.2) in run(plain, *read, ("2026-06-02T00:50", 0.4))


def test_a_darker_day_is_not_the_rest_of_the_day_before() -> None:
    read = [("2026-12-01T14:00", 1.2), ("2026-12-02T16:00", 1.5)]
    assert run(DAILY, *read) == [("01T14:00", "02T00:00", 0.0), ("02T00:00", "02T16:00", 1.5)]
    plain = RegisterConfig(max_rate_per_h=RATE, resolution=DIGIT)
    assert [amount for *_, amount in run(plain, *read)] == [0.3]


def test_the_last_value_of_a_day_may_come_after_midnight() -> None:
    read = [
        ("2026-06-01T23:58", 23.3),
        ("2026-06-02T00:01", 23.4),
        ("2026-06-02T00:06", 0.1),
        ("2026-06-02T00:11", 0.2),
    ]
    assert [amount for *_, amount in run(DAILY, *read)] == [0.1, 0.1, 0.1]


def test_a_zero_of_the_morning_is_no_slip_of_the_register() -> None:
    read = [("2026-12-01T20:00", 0.3), ("2026-12-02T08:00", 0.0), ("2026-12-02T11:00", 0.5)]
    assert [amount for *_, amount in run(DAILY, *read)] == [0.0, 0.0, 0.5]


def test_of_days_without_a_reading_nothing_is_known() -> None:
    read = [("2026-06-01T20:00", 20.0), ("2026-06-04T10:00", 5.0)]
    assert run(DAILY, *read) == [("01T20:00", "02T00:00", 0.0), ("04T00:00", "04T10:00", 5.0)]


def test_a_fall_at_noon_is_judged_as_that_of_any_register() -> None:
    read = [("2026-06-01T11:00", 8.0), ("2026-06-01T12:00", 0.1), ("2026-06-01T13:00", 8.5)]
    assert [amount for *_, amount in run(DAILY, *read)] == [0.5]


def test_months_and_years_begin_by_the_clock_too() -> None:
    for every, before, after in (
        ("month", "2026-02-28T23:00", "2026-03-01T01:00"),
        ("year", "2026-12-31T23:00", "2027-01-01T01:00"),
    ):
        config = RegisterConfig(max_rate_per_h=RATE, resets=Resets(every=every, zone=VIENNA))  # type: ignore[arg-type]
        assert [amount for *_, amount in run(config, (before, 900.0), (after, 2.0))] == [0.0, 2.0]
        # within the period it is a register like others
        assert len(run(config, ("2026-05-01T23:00", 900.0), ("2026-05-02T01:00", 902.0))) == 1


def test_a_reading_of_midnight_after_a_day_without_one_brings_that_day() -> None:
    # 11 kWh by 20:00 of the 28th, as many in the 29th, shown at 0:00 by a clock that is behind
    flow = [11 / 60 if 8 <= minute // 60 % 24 < 9 else 0.0 for minute in range(4 * 1440)]
    device = Device(BEGINNINGS[0], flow, [700, 1400, 2100, 3600], late_min=1)
    assert counted(device) == pytest.approx(expected(device), abs=1e-9)
