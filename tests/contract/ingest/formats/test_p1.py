"""Telegrams of P1 ports: published ones of each standard, and what may be wrong with one."""

from __future__ import annotations

from datetime import datetime

import pytest

from services.core.timeline.instants import from_us, rfc3339, to_us
from services.ingest.decode import decoder_for
from services.ingest.decode.observation import (
    TIME_FROM_DEVICE,
    Decoded,
    Observation,
    UndecodableError,
)
from services.ingest.quarantine.reasons import Reason
from tests.telegrams import KEY, encrypted, published, telegram

ARRIVAL = "2026-11-23T18:30:00Z"


def decode(payload: bytes, *codes: str, kind: str = "counter", **part: str) -> Decoded:
    channels = [{"id": code, "from": code, "kind": kind} for code in codes]
    decoder = decoder_for("p1", {"p1": part}, channels)
    return decoder(payload, to_us(datetime.fromisoformat(ARRIVAL)))


def readings(decoded: Decoded) -> list[str]:
    assert decoded.problems == []
    return [f"{o.channel} {o.value} {o.unit} {time(o)}" for o in decoded.observations]


def time(observation: Observation) -> str:
    is_timed = observation.time_source == TIME_FROM_DEVICE
    return rfc3339(from_us(observation.ts_us)) if is_timed else "arrival"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "dsmr-2.2",
            ["1-0:1.8.1 1.001 kWh arrival", "0-1:24.3.0 1.001 m3 2016-11-07T18:00:00Z"],
        ),
        ("dsmr-3", ["1-0:1.8.1 12345.678 kWh arrival", "0-1:24.3.0 1.001 m3 2009-02-12T15:00:00Z"]),
        (
            "dsmr-4.2",
            [
                "1-0:1.8.1 1581.123 kWh 2016-11-13T19:57:57Z",
                "0-1:24.2.1 981.443 m3 2016-11-29T19:00:00Z",
            ],
        ),
        (
            "dsmr-5",
            [
                "1-0:1.8.1 2130.115 kWh 2020-04-26T20:33:25Z",
                "1-0:1.7.0 0.111 kW 2020-04-26T20:33:25Z",
                "0-2:24.2.1 246.138 m3 2020-04-26T20:30:01Z",
            ],
        ),
        (
            "belgium",
            [
                "1-0:1.8.1 0.034 kWh 2020-05-12T11:54:09Z",
                "1-0:1.6.0 2.589 kW 2020-05-09T11:45:58Z",
                "0-1:24.2.3 112.384 m3 2020-05-12T11:45:58Z",
            ],
        ),
        ("sweden", ["1-0:1.8.0 6678.394 kWh 2021-02-17T17:40:19Z"]),
        ("austria", ["1-0:1.8.0 6545766.0 Wh 2022-10-06T13:50:14Z"]),
        ("hungary", ["1-0:1.8.0 173.64 kWh 2023-07-24T13:07:30Z"]),
    ],
)
def test_published_telegrams(name: str, expected: list[str]) -> None:
    decoded = decode(published(name), *(line.split()[0] for line in expected))
    assert readings(decoded) == expected


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        ("261123180000W", "Europe/Amsterdam", "2026-11-23T17:00:00Z"),
        ("260723180000S", "Europe/Amsterdam", "2026-07-23T16:00:00Z"),
        # the hour that comes twice
        ("261025023000S", "Europe/Amsterdam", "2026-10-25T00:30:00Z"),
        ("261025023000W", "Europe/Amsterdam", "2026-10-25T01:30:00Z"),
        # a clock that nobody sets forward
        ("260723180000W", "Europe/Amsterdam", "2026-07-23T17:00:00Z"),
        ("260723180000S", "Europe/Helsinki", "2026-07-23T15:00:00Z"),
        ("260723180000", "Europe/Amsterdam", "2026-07-23T16:00:00Z"),
    ],
)
def test_the_letter_of_a_time_says_how_far_the_clock_is_ahead(
    written: str, zone: str, instant: str
) -> None:
    sent = telegram(f"0-0:1.0.0({written})", "1-0:1.8.0(000001.000*kWh)")
    assert readings(decode(sent, "1-0:1.8.0", timezone=zone)) == [f"1-0:1.8.0 1.0 kWh {instant}"]


def test_a_code_may_be_written_in_full() -> None:
    sent = telegram("1-0:1.8.0*255(000001.000*kWh)", "1-0:1.8.01(9)")
    assert readings(decode(sent, "1-0:1.8.0")) == ["1-0:1.8.0 1.0 kWh arrival"]


def test_a_line_that_is_not_there_says_nothing_and_an_empty_one_is_a_gap() -> None:
    (observation,) = decode(telegram("1-0:1.7.0()"), "1-0:1.8.0", "1-0:1.7.0").observations
    assert (observation.channel, observation.value) == ("1-0:1.7.0", None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1-0:1.8.0(abc*kWh)", Reason.BAD_VALUE),
        ("1-0:1.8.0(1)(2)(3)", Reason.BAD_VALUE),
        ("1-0:1.8.0(1.5*kWh", Reason.BAD_VALUE),
        ("1-0:1.8.0(Infinity*kWh)", Reason.NOT_FINITE),
        ("1-0:1.8.0(261323180000W)(1*kWh)", Reason.BAD_TIME),
    ],
)
def test_what_is_wrong_with_one_line_is_said_of_its_channel_alone(
    line: str, reason: Reason
) -> None:
    decoded = decode(telegram(line, "1-0:1.7.0(1*kW)"), "1-0:1.8.0", "1-0:1.7.0")
    assert [o.channel for o in decoded.observations] == ["1-0:1.7.0"]
    assert [(p.channel, p.reason) for p in decoded.problems] == [("1-0:1.8.0", reason)]


def test_an_amount_needs_a_time() -> None:
    decoded = decode(telegram("1-0:1.8.0(1*kWh)"), "1-0:1.8.0", kind="interval")
    assert [p.reason for p in decoded.problems] == [Reason.BAD_TIME]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (published("dsmr-5").replace(b"2130.115", b"2131.115"), "checksum does not match"),
        (published("dsmr-5").replace(b"!56DD", b"!"), "has no checksum"),
        (published("dsmr-5")[:-400], "no telegram"),
        (published("dsmr-5")[5:], "no telegram"),
        (b"\xff" * 100, "no telegram"),
        (encrypted(published("austria")), "name the variable with its key as p1.key_env"),
    ],
)
def test_what_is_no_whole_telegram_is_refused(sent: bytes, expected: str) -> None:
    with pytest.raises(UndecodableError, match=expected) as refused:
        decode(sent, "1-0:1.8.1")
    assert refused.value.reason is Reason.MALFORMED_PAYLOAD


def test_a_telegram_whose_time_is_none_is_refused() -> None:
    with pytest.raises(UndecodableError, match="no time of a P1 port") as refused:
        decode(telegram("0-0:1.0.0(now)", "1-0:1.8.1(1*kWh)"), "1-0:1.8.1")
    assert refused.value.reason is Reason.BAD_TIME


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (None, "TONNE_SECRET_P1 is not set"),
        ("12", "TONNE_SECRET_P1 is not 32 hexadecimal digits"),
        ("F" * 32, "cannot be decrypted with the key in TONNE_SECRET_P1"),
    ],
)
def test_an_encrypted_telegram_needs_its_key(
    key: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key is not None:
        monkeypatch.setenv("TONNE_SECRET_P1", key)
    with pytest.raises(UndecodableError, match=expected):
        decode(encrypted(published("austria")), "1-0:1.8.0", key_env="TONNE_SECRET_P1")


def test_an_encrypted_telegram_is_read_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONNE_SECRET_P1", KEY)
    decoded = decode(encrypted(published("austria")), "1-0:1.8.0", key_env="TONNE_SECRET_P1")
    assert readings(decoded) == ["1-0:1.8.0 6545766.0 Wh 2022-10-06T13:50:14Z"]
