"""Telegrams out of bytes, however these are cut, and whatever lies between."""

from __future__ import annotations

import pytest

from services.ingest.connections.p1_stream import P1Stream
from services.ingest.decode.p1 import LONGEST_BYTES
from tests.telegrams import encrypted, published

FIRST, SECOND = published("dsmr-5"), published("belgium")
SECRET = encrypted(FIRST)


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (FIRST + SECOND, [FIRST, SECOND]),
        # a connection begins in the midst of one
        (FIRST[300:] + SECOND, [SECOND]),
        # one that breaks off
        (FIRST[:300] + b"\r\n" + SECOND, [SECOND]),
        (b"\xff\x00 noise /" + FIRST, [FIRST]),
        (published("dsmr-2.2") + FIRST, [published("dsmr-2.2"), FIRST]),
        (SECRET + SECRET, [SECRET, SECRET]),
        (SECRET[40:] + SECRET, [SECRET]),
    ],
)
def test_telegrams_come_out_whole(sent: bytes, expected: list[bytes], size: int) -> None:
    stream = P1Stream()
    whole = [
        telegram
        for start in range(0, len(sent), size)
        for telegram in stream.feed(sent[start : start + size])
    ]
    assert whole == expected


def test_a_telegram_without_end_is_given_up_and_counted() -> None:
    stream = P1Stream()
    assert stream.feed(b"/ISK") == []
    for _ in range(LONGEST_BYTES // 100 + 2):
        assert stream.feed(b"x" * 100) == []
    assert len(stream._buffer) <= LONGEST_BYTES
    assert stream.feed(b"\r\n" + FIRST) == [FIRST]
    assert stream.broken


def test_what_was_lost_in_the_midst_is_left_to_the_checksum() -> None:
    broken = FIRST[:300] + SECOND[-300:]
    assert P1Stream().feed(broken) == [broken]
