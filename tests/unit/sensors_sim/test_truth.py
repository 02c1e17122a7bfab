from __future__ import annotations

from collections import defaultdict
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors_sim.devices import Channel, Device, Kind, Sample
from sensors_sim.truth import ChannelTruth, FacilityTruth
from sensors_sim.truth_report import Books
from sensors_sim.worlds import ActivitySource, Facility, Factor, StackSource, aschach

T0_S = 1_795_456_800


def channel(kind: Kind, **more: int) -> Channel:
    return Channel(id="x", kind=kind, unit="kWh", read=float, **more)


def fed(kind: Kind, points: list[tuple[int, float | None]], **more: int) -> ChannelTruth:
    books = ChannelTruth(channel=channel(kind, **more))
    for second, value in points:
        books.add((T0_S + second) * 1000, value)
    books.finish()
    return books


Minutes = dict[int, tuple[float, float]]


def by_minute(books: ChannelTruth) -> Minutes:
    return {m - T0_S // 60: (e.amount, e.covered_s) for m, e in books.minutes.items()}


def assert_minutes(books: ChannelTruth, expected: Minutes) -> None:
    got = by_minute(books)
    assert got.keys() == expected.keys()
    for minute, entry in got.items():
        assert entry == pytest.approx(expected[minute]), minute


readings = st.lists(
    st.tuples(st.integers(1, 200), st.one_of(st.none(), st.integers(0, 1000))),
    min_size=2,
    max_size=12,
).map(lambda steps: [(sum(s for s, _ in steps[: i + 1]), v) for i, (_, v) in enumerate(steps)])


@given(readings)
def test_a_gauge_equals_a_walk_second_by_second(points: list[tuple[int, float | None]]) -> None:
    expected: Minutes = defaultdict(lambda: (0.0, 0.0))
    last_s = points[-1][0]
    for second in range(last_s + 120):
        at, value = max((p for p in points if p[0] <= second), key=itemgetter(0), default=(0, None))
        if value is not None and second < at + 120:
            amount, covered = expected[second // 60]
            expected[second // 60] = (amount + value, covered + 1.0)
    assert_minutes(fed("gauge", points), expected)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 50)), min_size=2, max_size=12))
def test_a_counter_equals_a_walk_second_by_second(steps: list[tuple[int, int]]) -> None:
    at, register = steps[0][0], 1000
    points: list[tuple[int, float | None]] = [(at, float(register))]
    expected: Minutes = defaultdict(lambda: (0.0, 0.0))
    for pause, rise in steps[1:]:
        for second in range(at, at + pause):
            amount, covered = expected[second // 60]
            expected[second // 60] = (amount + rise / pause, covered + 1.0)
        at, register = at + pause, register + rise
        points.append((at, float(register)))
    assert_minutes(fed("counter", points), expected)


def test_an_interval_is_spread_evenly_from_its_start() -> None:
    books = fed("interval", [(30, 3.0), (120, 6.0)], length_s=90)
    assert_minutes(books, {0: (1.0, 30.0), 1: (2.0, 60.0), 2: (4.0, 60.0), 3: (2.0, 30.0)})


def test_a_gap_that_a_register_states_does_not_lose_its_energy() -> None:
    assert by_minute(fed("counter", [(0, 10.0), (20, None), (60, 16.0)])) == {0: (6.0, 60.0)}


def stack_facility() -> tuple[Facility, Device]:
    gauges = tuple(
        Channel(id=name, kind="gauge", unit="%", read=float) for name in ("co2", "flow", "h2o")
    )
    device = Device(facility="f", id="s", interval_s=5, channels=gauges)
    source = StackSource(id="stack", device="s", co2="co2", flow="flow")
    return Facility(id="f", devices=(device,), sources=(source,)), device


def test_a_full_hour_of_a_steady_stack_is_equation_f_11() -> None:
    facility, device = stack_facility()
    truth = FacilityTruth(facility, (device,))
    for second in range(0, 3600, 60):
        truth.add(
            "s", Sample(ts_ms=(T0_S + second) * 1000, values={"co2": 12.5, "flow": 60_000_000.0})
        )
    truth.add("s", Sample(ts_ms=(T0_S + 3600) * 1000, values={"co2": None, "flow": None}))
    minutes = list(truth.minutes(facility.sources[0]))
    assert len(minutes) == 60
    assert sum(m.co2_kg for m in minutes) == pytest.approx(427.5 * 907.18474)
    assert sum(m.covered_s for m in minutes) == 3600.0


def test_a_stack_minute_counts_the_time_that_both_inputs_cover() -> None:
    facility, device = stack_facility()
    truth = FacilityTruth(facility, (device,))
    steps: list[tuple[int, dict[str, float | None]]] = [
        (0, {"co2": 10.0}), (20, {"co2": 14.0, "flow": 1_000_000.0}),
        (40, {"co2": None}), (60, {"flow": None}),
    ]  # fmt: skip
    for second, values in steps:
        truth.add("s", Sample(ts_ms=(T0_S + second) * 1000, values=values))
    (minute,) = truth.minutes(facility.sources[0])
    assert minute.covered_s == 40.0
    assert minute.co2_kg == pytest.approx(5.7e-7 * 12.0 * 1e6 * 907.18474 * 40.0 / 3600.0)


def test_a_factor_changes_at_its_minute() -> None:
    meter = Device(facility="f", id="m", interval_s=10, channels=(channel("counter"),))
    factor = Factor(steps=((0, 0.25), ((T0_S + 60) * 1000, 0.20)))
    source = ActivitySource(id="grid", device="m", channel="x", factor=factor)
    truth = FacilityTruth(Facility(id="f", devices=(meter,), sources=(source,)), (meter,))
    truth.add("m", Sample(ts_ms=T0_S * 1000, values={"x": 100.0}))
    truth.add("m", Sample(ts_ms=(T0_S + 120) * 1000, values={"x": 108.0}))
    assert [m.co2_kg for m in truth.minutes(source)] == pytest.approx([1.0, 0.8])


def test_the_report_sums_up_sources_and_its_minutes_sum_up_to_them() -> None:
    facility = aschach(7)
    books = Books((facility,), facility.devices, 7)
    for device in facility.devices:
        for due_ms in device.due_times(T0_S * 1000, (T0_S + 600) * 1000, 10):
            books.add(device, device.sample(due_ms))
    report = books.report(messages=240)
    (site,) = report["facilities"]
    assert (report["from"], report["to"]) == (
        "2026-11-23T18:00:00.000Z", "2026-11-23T18:09:50.000Z",
    )  # fmt: skip
    assert (report["samples"], report["values"]) == (240, 60 * (2 + 2 + 1 + 3))
    assert site["co2_kg"] == pytest.approx(sum(s["co2_kg"] for s in site["sources"]))
    for source in site["sources"]:
        assert source["co2_kg"] == pytest.approx(sum(m["co2_kg"] for m in source["minutes"]))
    halls = [s for s in site["sources"] if s["unit"] == "kWh"]
    assert site["energy_kwh"] == pytest.approx(sum(s["amount"] for s in halls))
    for hall in halls:
        meter = next(device for device in facility.devices if device.id == hall["device"])
        read = meter.channels[0].read
        rise = read((T0_S + 590) * 1000) - read(T0_S * 1000)
        assert hall["amount"] == pytest.approx(rise)
        assert hall["co2_kg"] == pytest.approx(rise * 0.20)


def test_sources_whose_device_is_silent_have_no_books() -> None:
    facility = aschach(1)
    books = Books((facility,), facility.devices[:1], 1)
    assert [s["id"] for s in books.report(0)["facilities"][0]["sources"]] == ["grid-hall-1"]


def test_folding_old_minutes_changes_no_sum() -> None:
    facility = aschach(7)
    whole, folded = (
        Books((facility,), facility.devices, 7, keep_minutes=keep) for keep in (True, False)
    )
    samples = [
        (due_ms, device)
        for device in facility.devices
        for due_ms in device.due_times(T0_S * 1000, (T0_S + 12 * 3600) * 1000, 60)
    ]
    for due_ms, device in sorted(samples, key=itemgetter(0)):
        for books in (whole, folded):
            books.add(device, device.sample(due_ms))
    kept, summed = (books.report(0)["facilities"][0]["sources"] for books in (whole, folded))
    for one, other in zip(kept, summed, strict=True):
        assert len(other["minutes"]) < len(one["minutes"]) / 2
        for figure in ("co2_kg", "covered_s", "amount"):
            assert other[figure] == pytest.approx(one[figure])
