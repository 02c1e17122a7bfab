"""Packed readings come back bit for bit, and what is damaged is told."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.core.store.packing.blobs import DamagedError
from services.core.store.packing.days import DamagedDayError
from services.core.store.readings.packing.codec import pack, unpack
from services.core.store.readings.packing.columns import ReadingColumns, digest
from services.core.store.readings.packing.days import unpacked
from services.core.timeline.instants import DAY_US

_DAY = 20_500
_BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
_VALUES = st.one_of(
    _BITS,
    st.floats(),
    st.integers(-(10**6), 10**6).map(lambda tenths: tenths / 10),
    st.sampled_from([0.0, -0.0, float("inf"), 5e-324]),
)
_US = st.integers(-(2**50), 2**53)


def _columns(
    ts_us: list[int],
    value: list[float | None],
    quality: list[int],
    time_source: list[int],
    received_us: list[int],
    known_us: list[int | None],
) -> ReadingColumns:
    return ReadingColumns(
        ts_us=np.array(ts_us, dtype=np.int64),
        value=np.array([0.0 if v is None else v for v in value], dtype=np.float64),
        missing=np.array([v is None for v in value]),
        quality=np.array(quality, dtype=np.int64),
        time_source=np.array(time_source, dtype=np.int64),
        received_us=np.array(received_us, dtype=np.int64),
        known_us=np.array([k or 0 for k in known_us], dtype=np.int64),
        unknown=np.array([k is None for k in known_us]),
    )


@st.composite
def readings(draw: st.DrawFn) -> ReadingColumns:
    """What a channel has of a day, regular or not, with everything a column can hold."""
    size = draw(st.integers(1, 60))
    offsets = draw(
        st.one_of(
            st.sets(st.integers(0, DAY_US - 1), min_size=size, max_size=size).map(sorted),
            st.integers(1, DAY_US // 60).map(lambda step: [k * step for k in range(size)]),
        )
    )

    def column(element: st.SearchStrategy[object]) -> list:  # type: ignore[type-arg]
        same = st.lists(element, min_size=1, max_size=1).map(lambda one: one * size)
        return draw(st.one_of(same, st.lists(element, min_size=size, max_size=size)))

    return _columns(
        [_DAY * DAY_US + offset for offset in offsets],
        column(st.one_of(st.none(), _VALUES)),
        column(st.integers(0, 5)),
        column(st.integers(0, 3)),
        column(_US),
        column(st.one_of(st.none(), _US.filter(bool))),
    )


def _same(one: ReadingColumns, other: ReadingColumns) -> bool:
    return one.sent() == other.sent()


def _register() -> ReadingColumns:
    size = 1440
    rng = np.random.default_rng(1)
    ts_us = _DAY * DAY_US + np.arange(size, dtype=np.int64) * 60_000_000
    return ReadingColumns(
        ts_us=ts_us,
        value=np.round(np.cumsum(rng.uniform(0, 2, size)), 3),
        missing=np.zeros(size, dtype=np.bool_),
        quality=np.zeros(size, dtype=np.int64),
        time_source=np.zeros(size, dtype=np.int64),
        received_us=ts_us + rng.integers(2_000, 60_000, size),
        known_us=np.zeros(size, dtype=np.int64),
        unknown=np.ones(size, dtype=np.bool_),
    )


@given(readings())
def test_every_bit_comes_back(columns: ReadingColumns) -> None:
    assert _same(unpack(*pack(columns)), columns)


def test_payloads_of_nan_and_negative_zero_come_back() -> None:
    bits = [0x7FF0000000000001, 0x7FF8000000000000, 0xFFF8DEADBEEF0001, 0x8000000000000000, 1]
    values = np.array(bits, dtype=np.uint64).view(np.float64)
    columns = _columns([_DAY * DAY_US + k for k in range(5)], [0.0] * 5, [0] * 5, [0] * 5,
                       [0] * 5, [None] * 5)  # fmt: skip
    columns.value[:] = values
    assert unpack(*pack(columns)).value.view(np.uint64).tolist() == bits


def test_what_version_one_packed_is_read() -> None:
    series = bytes.fromhex(
        "01795668b5020880809cadb4b9a50680c8ceb40d4a70636f21030002010401040300001001018000000000000000c0"
        "000000000000000080030000020203065e70636f210300c1040106020000003200e8ffffffffffffff0f0000000000"
        "0000fe2f00000000000000016000120000020800023a70636f210300020104010403000000100000000000000000"
        "000c000400"
    )
    arrival = bytes.fromhex(
        "01c8abe40e020800043a70636f210300020104010403000000100000000000000000000c000800010208904ed00f3c"
        "70636f2103000201040104030000001000e0ffffffffffffff2300340800000204010002b0bbcdb40d"
    )
    digest_then = "e01f84d0e67722ef7d5ff8e9fc553f06"
    assert digest(unpack(series, arrival).sent()).hex() == digest_then


def test_hours_of_a_day_take_less_than_six_bytes_a_reading() -> None:
    """24 numbers each of three decimals and of some milliseconds are packed by the bit."""
    rng = np.random.default_rng(1)
    ts_us = _DAY * DAY_US + np.arange(24, dtype=np.int64) * 3_600_000_000
    columns = _columns(
        ts_us.tolist(), np.round(rng.uniform(0.5, 6, 24), 3).tolist(), [0] * 24, [0] * 24,
        (ts_us + rng.integers(2_000, 18_000, 24)).tolist(), [None] * 24,
    )  # fmt: skip
    series, arrival = pack(columns)
    assert len(series) + len(arrival) < 6 * 24
    assert _same(unpack(series, arrival), columns)


def test_a_register_takes_less_than_two_bytes_a_reading_and_its_arrival_less_than_three() -> None:
    series, arrival = pack(_register())
    assert len(series) < 2 * 1440
    assert len(arrival) < 3 * 1440


@pytest.mark.parametrize("which", [0, 1])
@given(data=st.data())
def test_what_is_damaged_is_told(which: int, data: st.DataObject) -> None:
    blobs = list(pack(_register()))
    blob = bytearray(blobs[which])
    kind = data.draw(st.sampled_from(["flip", "cut", "longer", "other"]))
    if kind == "flip":
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del blob[data.draw(st.integers(0, len(blob) - 1)) :]
    elif kind == "longer":
        blob += data.draw(st.binary(min_size=1, max_size=9))
    else:
        blob = bytearray(data.draw(st.binary(max_size=40)))
    blobs[which] = bytes(blob)
    with pytest.raises(DamagedError):
        unpack(*blobs)


def test_damage_is_told_with_the_channel_and_the_day() -> None:
    series, arrival = pack(_register())
    with pytest.raises(DamagedDayError, match=r"channel 7 on 2026-02-16 .* checksum"):
        unpacked(7, _DAY, 1, series[:-1] + bytes([series[-1] ^ 1]), arrival)
    for day, its_days in ((_DAY + 1, 1), (_DAY, 2)):
        with pytest.raises(DamagedDayError, match="not of the days"):
            unpacked(7, day, its_days, series, arrival)


def test_two_days_of_one_another_are_no_readings() -> None:
    series, _ = pack(_register())
    _, arrival = pack(_columns([_DAY * DAY_US], [1.0], [0], [0], [5], [None]))
    with pytest.raises(DamagedError, match=r"cannot be unpacked|lengths"):
        unpack(series, arrival)


def test_a_digest_is_of_every_column() -> None:
    columns = _register()
    digests = {digest(columns.sent())}
    names = ("ts_us", "value", "missing", "quality", "time_source", "received_us", "known_us",
             "unknown")  # fmt: skip
    for name in names:
        changed = unpack(*pack(columns))
        column: NDArray[np.generic] = getattr(changed, name)
        column[9] = not column[9] if column.dtype == np.bool_ else column[9] + 1
        digests.add(digest(changed.sent()))
    assert len(digests) == 1 + len(names)
