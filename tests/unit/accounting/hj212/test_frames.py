"""Frames of HJ 212 against the vectors of its annexes, and against frames of devices."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.accounting.hj212.frames import (
    MAX_REGION,
    Edition,
    Flag,
    FrameError,
    check_code,
    read,
    write,
)
from services.core.accounting.hj212.packets import FrameCutter, joined, split

#: HJ 212-2017, annex A.
OF_2017 = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&RtdInterval=30&&1C80\r\n"
)
#: HJ 212-2025, annex A.1.
OF_2025 = (
    b"##0087QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;"
    b"CP=&&&&2200\r\n"
)
#: Of a device in the field, in the edition of 2005: its check code is that of MODBUS, swapped.
OF_A_DEVICE = (
    b"##0236ST=31;CN=2011;PW=123456;MN=MP1;CP=&&DataTime=20210129152246;01-Rtd=8.764,"
    b"01-ZsRtd=14.387;02-Rtd=9.933,02-ZsRtd=16.307;03-Rtd=86.131,03-ZsRtd=141.392;"
    b"B02-Rtd=6015.213;S01-Rtd=13.893;S02-Rtd=2.491;S03-Rtd=44.586;S05-Rtd=0;S08-Rtd=53.796&&524F"
    b"\r\n"
)


@pytest.mark.vector
@pytest.mark.parametrize(
    ("data", "edition", "command"),
    [(OF_2017, Edition.E2017, "1062"), (OF_2025, Edition.E2025, "1011")],
)
def test_the_vectors_of_both_editions(data: bytes, edition: Edition, command: str) -> None:
    frame = read(data).frame
    assert frame.flag == Flag(edition=edition, wants_answer=True)
    assert (frame.system, frame.command, frame.station) == (
        "32", command, "010000A8900016F000169DC0",
    )  # fmt: skip
    assert write(frame) == data


@pytest.mark.vector
def test_a_device_that_forms_its_check_code_otherwise_is_told_apart() -> None:
    assert read(OF_2017).check_code == "hj212"
    came = read(OF_A_DEVICE)
    assert (came.check_code, came.frame.flag, came.frame.request) == ("modbus-swapped", None, None)
    assert came.frame.region.startswith("DataTime=20210129152246;01-Rtd=8.764,")


@pytest.mark.parametrize(
    ("flag", "edition", "has_parts", "wants_answer"),
    [
        (4, Edition.E2017, False, False), (5, Edition.E2017, False, True),
        (7, Edition.E2017, True, True), (9, Edition.E2025, False, True),
        (10, Edition.E2025, True, False), (11, Edition.E2025, True, True),
    ],
)  # fmt: skip
def test_flags(flag: int, edition: Edition, has_parts: bool, wants_answer: bool) -> None:
    taken = Flag.read(flag)
    assert taken == Flag(edition=edition, has_parts=has_parts, wants_answer=wants_answer)
    assert int(taken) == flag


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (OF_2017.replace(b"0101", b"0100"), "the length is 101 and the frame says 0100"),
        (OF_2017.replace(b"1C80", b"1C81"), "the check code is 1C80 and the frame says 1C81"),
        (OF_2017[:-2], "CR LF"),
        (b"##0000\r\n", "CP=&&"),
        (OF_2025.replace(b"CP=&&&&", b"CP=&&{0xE4,0x3E}&&"), "encrypted"),
        (b"##0012ST=31;CN=201" + b"%04X" % check_code(b"ST=31;CN=201") + b"\r\n", "CP=&&"),
    ],
)
def test_what_is_no_frame_is_refused_with_why(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        read(data)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"station": "MP1"}, "MN takes 24"), ({"password": ""}, "PW takes"),
        ({"request": None}, "QN takes 17"), ({"region": "a" * 951}, "split it"),
        ({"flag": Flag(edition=Edition.E2005)}, "choose one"), ({"part": (1, 2)}, "PNUM"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_with_what_to_do(
    change: dict[str, object], why: str
) -> None:
    with pytest.raises(FrameError, match=why):
        write(replace(read(OF_2017).frame, **change))  # type: ignore[arg-type]


def test_a_long_message_is_split_and_each_part_begins_with_its_time() -> None:
    groups = [
        "DataTime=20260101080000",
        *(f"a{n:05d}-Avg=12.345,a{n:05d}-Flag=N" for n in range(80)),
    ]
    common = read(OF_2025).frame
    parts = split(common, groups)
    assert [part.part for part in parts] == [(1, 3), (2, 3), (3, 3)]
    assert all(part.region.startswith("DataTime=20260101080000;") for part in parts)
    assert all(len(part.region) <= MAX_REGION for part in parts)
    came = [read(write(part)).frame for part in reversed(parts)]
    assert joined(came) == replace(common, region=";".join(groups))
    with pytest.raises(FrameError, match="not all"):
        joined(came[1:])
    with pytest.raises(FrameError, match="counts to 9"):
        split(common, ["DataTime=20260101080000"] + groups[1:] * 5)


@given(
    st.lists(st.integers(min_value=1, max_value=400), max_size=8),
    st.binary(max_size=30).filter(lambda b: b"##" not in b and not b.endswith(b"#")),
)
def test_a_stream_is_cut_into_its_frames_however_it_comes(sizes: list[int], noise: bytes) -> None:
    stream = noise + OF_2017 + OF_A_DEVICE + OF_2025 + OF_2017[:40]
    cutter = FrameCutter()
    frames, at = [], 0
    for size in [*sizes, len(stream)]:
        frames += cutter.feed(stream[at : at + size])
        at += size
    assert frames == [OF_2017, OF_A_DEVICE, OF_2025]
    assert cutter.dropped == len(noise.translate(None, b"\r\n"))
    assert cutter.feed(OF_2017[40:]) == [OF_2017]


PIECES = st.sampled_from(
    [
        OF_2017, OF_2025, OF_A_DEVICE, OF_2017[:-2], OF_2017[:50], OF_2017[50:], b"##", b"#", b"\r",
        b"\n", b"##9999", b"##00", OF_2017.replace(b"0101", b"0100"), b"noise", b"##0000FFFF",
        OF_2025.replace(b"CP=&&&&", b"CP=&&{0xE4,0x3E}&&"), b"x" * 12_000,
    ]
)  # fmt: skip


@given(
    st.lists(PIECES, max_size=12),
    st.lists(st.integers(min_value=1, max_value=3000), max_size=12),
)
def test_any_chopping_of_any_stream_gives_the_same_frames(
    pieces: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(pieces)
    whole, chopped = FrameCutter(), FrameCutter()
    frames, at = [], 0
    for size in [*sizes, len(stream)]:
        frames += chopped.feed(stream[at : at + size])
        at += size
    assert frames == whole.feed(stream)
    assert chopped.dropped == whole.dropped


@pytest.mark.parametrize(
    ("stream", "frames"),
    [
        # without CR LF between them, as some loggers send
        (OF_2017[:-2] + OF_2025, [OF_2017, OF_2025]),
        (OF_2017[:60] + OF_2025, [OF_2017[:60] + b"\r\n", OF_2025]),
        (b"###" + OF_2017[2:], [OF_2017]),
        (OF_2017.replace(b"Flag=5", b"Flag=4") + OF_2025,
         [OF_2017.replace(b"Flag=5", b"Flag=4"), OF_2025]),
        (b"\x00\xff##garbage" + OF_2017 + b"\r\n\r\n" + OF_2025, [OF_2017, OF_2025]),
    ],
)  # fmt: skip
def test_what_lies_between_frames_costs_none_of_them(stream: bytes, frames: list[bytes]) -> None:
    assert FrameCutter().feed(stream) == frames


def test_a_stream_without_an_end_does_not_fill_the_memory() -> None:
    cutter = FrameCutter()
    assert cutter.feed(b"##0100") == []
    for _ in range(100):
        assert cutter.feed(b"x" * 1000) == []
    assert cutter.dropped > 90_000
    assert cutter.feed(b"\r\n" + OF_2017)[-1] == OF_2017


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=900))
def test_what_is_written_is_read(region: str) -> None:
    frame = replace(read(OF_2017).frame, region=region.replace("&", "").replace("{0x", ""))
    assert read(write(frame)).frame == frame
