"""Registers of Modbus devices: every type in every order, SunSpec's scale factors, exceptions."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from services.ingest.decode import decoder_for
from services.ingest.decode.observation import Decoded, UndecodableError
from services.ingest.quarantine.reasons import Reason

TIME = "2026-11-23T18:00:00.120Z"


def decode(answers: list[dict[str, Any]], **register: Any) -> Decoded:
    channel = {"id": "a", "register": {"address": 10, "type": "uint16", **register}}
    payload = json.dumps({"time": TIME, "answers": answers}).encode()
    return decoder_for("modbus", {}, [channel])(payload, 0)


def value(registers: str, *, at: int = 10, **register: Any) -> float | None:
    decoded = decode([{"function": "holding", "address": at, "registers": registers}], **register)
    assert decoded.problems == []
    (observation,) = decoded.observations
    assert observation.ts_us == 1_795_456_800_120_000
    return observation.value


@pytest.mark.parametrize(
    ("kind", "code", "number"),
    [
        ("int16", "h", -2.0),
        ("uint16", "H", 65_000.0),
        ("int32", "i", -70_000.0),
        ("uint32", "I", 4_000_000_000.0),
        ("int64", "q", -5_000_000_000.0),
        ("uint64", "Q", 5_000_000_000.0),
        ("float32", "f", 229.5),
        ("float64", "d", 12345.678),
    ],
)
@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize("word_order", ["big", "little"])
def test_numbers_in_every_order(
    kind: str, code: str, number: float, byte_order: str, word_order: str
) -> None:
    packed = struct.pack(f">{code}", int(number) if code not in "fd" else number)
    words = [packed[i : i + 2] for i in range(0, len(packed), 2)]
    words = words[::-1] if word_order == "little" else words
    words = [word[::-1] for word in words] if byte_order == "little" else words
    sent = b"".join(words).hex()
    assert value(sent, type=kind, byte_order=byte_order, word_order=word_order) == number


@pytest.mark.parametrize(
    ("kind", "registers", "expected"),
    [
        # IEEE 754 of 123456.789 as the meter's manual may have it: ABCD, CDAB, BADC, DCBA
        (("big", "big"), "47f12065", 123456.7890625),
        (("big", "little"), "206547f1", 123456.7890625),
        (("little", "big"), "f1476520", 123456.7890625),
        (("little", "little"), "6520f147", 123456.7890625),
    ],
)
@pytest.mark.vector
def test_the_four_orders_of_a_float(kind: tuple[str, str], registers: str, expected: float) -> None:
    byte_order, word_order = kind
    assert (
        value(registers, type="float32", byte_order=byte_order, word_order=word_order) == expected
    )


def test_a_value_stands_somewhere_in_an_answer() -> None:
    assert value("000100020003", at=8, type="uint16") == 3.0


@pytest.mark.parametrize(
    ("kind", "registers", "expected"),
    [
        ("int16", "04d2fffe", 12.34),
        ("int16", "04d20001", 12340.0),
        ("uint32", "0001e240fffd", 123.456),
        # what is not there: in the value, in its factor
        ("int16", "8000fffe", None),
        ("uint16", "fffffffe", None),
        ("int32", "80000000fffe", None),
        ("int16", "04d28000", None),
    ],
)
def test_scale_factors_of_sunspec(kind: str, registers: str, expected: float | None) -> None:
    at = 10 + len(registers) // 4 - 1
    assert value(registers, type=kind, power_of_ten=at) == expected


def test_a_float_that_is_none_is_a_gap() -> None:
    assert value("7fc00000", type="float32") is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"address": 0, "count": 20, "exception": 2}, "exception 2: illegal data address"),
        ({"address": 10, "count": 1, "exception": 200}, "exception 200: its own"),
        ({"address": 10, "registers": "zzzz"}, "not hexadecimal"),
    ],
)
def test_what_is_no_value_is_said_of_its_channel(answer: dict[str, Any], expected: str) -> None:
    decoded = decode([{"function": "holding", **answer}])
    assert decoded.observations == []
    (problem,) = decoded.problems
    assert expected in problem.detail
    assert (problem.channel, problem.reason) == ("a", Reason.BAD_VALUE)
    # so that a gauge's last value holds no longer
    assert problem.ts_us == 1_795_456_800_120_000


def test_a_power_of_ten_beyond_reason_is_refused() -> None:
    decoded = decode(
        [{"function": "holding", "address": 10, "registers": "00010014"}], power_of_ten=11
    )
    assert "register 11 holds 20" in decoded.problems[0].detail


@pytest.mark.parametrize(
    "answer",
    [
        {"function": "input", "address": 10, "registers": "0001"},
        {"function": "holding", "address": 11, "registers": "0001"},
        {"function": "holding", "address": 9, "registers": "0001"},
        {"function": "holding", "address": 11, "count": 5, "exception": 2},
    ],
)
def test_of_registers_that_were_not_read_nothing_is_said(answer: dict[str, Any]) -> None:
    assert decode([answer]) == Decoded(observations=[], problems=[])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.MALFORMED_PAYLOAD),
        (b'{"time": "2026-11-23T18:00:00Z"}', Reason.MALFORMED_PAYLOAD),
        (b'{"time": "yesterday", "answers": []}', Reason.BAD_TIME),
        (b'{"time": "2026-11-23T18:00:00", "answers": []}', Reason.BAD_TIME),
    ],
)
def test_what_is_no_poll_is_refused(payload: bytes, reason: Reason) -> None:
    with pytest.raises(UndecodableError) as refused:
        decoder_for("modbus", {}, [{"id": "a", "register": {"address": 1, "type": "uint16"}}])(
            payload, 0
        )
    assert refused.value.reason is reason
