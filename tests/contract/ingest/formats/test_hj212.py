"""Frames of HJ 212 that a gateway publishes, and what a file that names factors makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.core.accounting.hj212.frames import check_code
from services.core.facility.errors import FacilityFileError
from services.core.facility.file import parse
from tests.contract.ingest.formats.station import Reading, Station, station_of
from tests.sealed_frames import KEY, sealed

MN, OTHER = "010000A8900016F000169DC0", "010000A8900016F000169DC1"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone(timedelta(hours=8))).astimezone(UTC)

AT_NOON = "DataTime=20261123120000;"

CHANNELS = """
      - {id: co2, from: a05001.Rtd, quantity: concentration, unit: mg/Nm3, kind: gauge}
      - {id: mean, from: hour.a05001.Avg, quantity: concentration, unit: mg/Nm3, kind: gauge, max_gap: 1h}
      - {id: gas, from: hour.a00000.Cou, quantity: volume, unit: Nm3, kind: interval, length: 1h, stamp: start}
      - {id: old, from: '"02".ZsRtd', quantity: concentration, unit: mg/Nm3, kind: gauge}
"""  # noqa: E501 - one line a channel


def frame(region: str, *, cn: str = "2011", mn: str = MN, head: str = "", st: str = "31") -> bytes:
    segment = f"{head}ST={st};CN={cn};PW=123456;MN={mn};Flag=5;CP=&&{region}&&".encode()
    return b"##%04d%s%04X\r\n" % (len(segment), segment, check_code(segment))


def logger(keys: str = "", channels: str = CHANNELS) -> Station:
    return station_of(f"""
facility: {{id: field, name: Field, timezone: Asia/Shanghai}}
devices:
  - id: d
    topic: d
    format: hj212
    {keys}
    channels:{channels}
""")


def test_each_command_feeds_the_channels_of_its_own_period_and_no_other() -> None:
    station = logger()
    region = f"{AT_NOON}a05001-Rtd=5.5,a05001-Avg=6.5,a05001-Cou=7,a05001-Flag=N;a00000-Cou=9"
    taken = {
        cn: station.receive("d", frame(region, cn=cn)) for cn in ("2011", "2051", "2061", "2031")
    }
    assert taken == {
        "2011": [Reading("d.co2", NOON, 5.5)],
        "2051": [],
        "2061": [Reading("d.mean", NOON, 6.5), Reading("d.gas", NOON, 9)],
        "2031": [],
    }
    assert station.quarantine == []


@pytest.mark.parametrize(
    ("letter", "quality"),
    [("N", 0), ("F", 2), ("M", 4), ("S", 1), ("D", 2), ("C", 3), ("T", 1), ("B", 2), ("", 0)],
)  # fmt: skip
def test_the_letter_beside_a_value_is_its_quality(letter: str, quality: int) -> None:
    station = logger()
    region = f"{AT_NOON}a05001-Rtd=5.5,a05001-Flag={letter};a00000-Rtd=1,a00000-Flag=D"
    assert station.qualities("d", frame(region)) == [quality]
    assert station.quarantine == []


def test_a_file_may_say_otherwise_what_a_letter_means() -> None:
    channel = CHANNELS.replace(
        "from: a05001.Rtd,",
        "from: a05001.Rtd, quality: {from: a05001.Flag, map: {N: good, F: good}},",
    )
    station = logger(channels=channel)
    assert station.qualities("d", frame(f"{AT_NOON}a05001-Rtd=0,a05001-Flag=F")) == [0]


def test_frames_of_2005_several_in_one_message_and_parts_of_one() -> None:
    station = logger()
    old = frame(f"{AT_NOON}02-Rtd=9.933,02-ZsRtd=16.307;S03-Rtd=44.5").replace(b";Flag=5", b"")
    old = b"##%04d%s" % (len(old) - 12, old[6:-6])
    old += b"%04X" % check_code(old[6:])
    parts = [
        frame(f"{AT_NOON}a05001-Rtd=1", head=f"QN=2026112312000000{n};")
        .replace(b"Flag=5;", b"Flag=7;PNUM=2;PNO=%d;" % n)
        for n in (1, 2)
    ]  # fmt: skip
    parts = [framed(part[6:-6]) for part in parts]
    taken = station.receive("d", old + b"\r\n" + b"".join(parts))
    assert taken == [Reading("d.old", NOON, 16.307), *[Reading("d.co2", NOON, 1)] * 2]
    assert station.quarantine == []


def framed(segment: bytes) -> bytes:
    return b"##%04d%s%04X\r\n" % (len(segment), segment, check_code(segment))


@pytest.mark.parametrize("cn", ["9011", "9014", "9015", "3020", "2081", "1013", "2999"])
def test_commands_without_data_of_factors_say_nothing(cn: str) -> None:
    station = logger()
    assert station.receive("d", frame("a05001-Rtd=5.5", cn=cn)) == []
    assert station.quarantine == []


GOOD = frame(f"{AT_NOON}a05001-Rtd=5.5")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (GOOD.replace(b"5.5", b"5.6"), "malformed_payload: the check code is"),
        (GOOD.replace(b"##0", b"##1"), "malformed_payload: the length is"),
        (b"noise" + GOOD, "malformed_payload: the payload is no frame of HJ 212"),
        (b"17.5", "malformed_payload: the payload is no frame of HJ 212"),
        (GOOD + b"##0101QN", "malformed_payload: the length is"),
        (frame("a05001-Rtd=5.5"), "bad_time: the frame has no DataTime"),
        (frame("DataTime=20261332120000;a05001-Rtd=5.5"), "bad_time: DataTime is"),
        (frame("DataTime=2026112312;a05001-Rtd=5.5"), "bad_time: DataTime is"),
        (frame(f"{AT_NOON}a05001-Rtd=5.5;a05001-Rtd=6"), "repeated_key: stands in the frame twice"),
        (frame(f"{AT_NOON}a05001-Rtd=5.5,a05001-Flag=Q"), 'bad_quality: co2: "Q" is not in'),
        (frame(f"{AT_NOON}a05001-Rtd=--,a05001-Flag=N"), 'bad_value: "--" is not a number'),
        (frame("{0xE4,0x3E}", cn="2011"), "malformed_payload: the region is encrypted"),
    ],
)  # fmt: skip
def test_what_is_no_frame_goes_to_quarantine_with_why(payload: bytes, words: str) -> None:
    station = logger()
    assert [reading for reading in station.receive("d", payload) if reading.value is not None] == []
    (entry,) = station.quarantine
    reason, _, detail = words.partition(": ")
    assert entry.reason == reason
    assert detail in entry.detail
    assert entry.payload == payload


def test_an_encrypted_frame_is_read_with_the_key_of_its_station(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = sealed(f"ST=31;CN=2011;PW=1;MN={MN};Flag=9;CP=&&{AT_NOON}a05001-Rtd=5.5&&")
    station = logger()
    assert station.receive("d", secret) == []
    (entry,) = station.quarantine
    assert entry.reason == "malformed_payload"
    assert f"there is no key of station {MN}: state its MN:KEY" in entry.detail
    # as it came, so that it is read once there is a key
    monkeypatch.setenv("TONNE_HJ212_KEYS", f"{MN}:{KEY.hex()}")
    assert station.receive("d", entry.payload) == [Reading("d.co2", NOON, 5.5)]


def test_stations_of_one_topic_are_told_by_their_mn_and_an_unknown_one_is_named() -> None:
    station = logger(f"known_as: {MN}\n    device_from: MN")
    assert station.receive("d", GOOD) == [Reading("d.co2", NOON, 5.5)]
    assert station.receive("d", frame(f"{AT_NOON}a05001-Rtd=5.5", mn=OTHER)) == []
    (entry,) = station.quarantine
    assert (entry.reason, entry.unknown_ids) == ("unknown_device", (OTHER,))


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("from: a05001, kind: gauge", "needs from: a factor's code and a field"),
        ("kind: gauge", "needs from: a factor's code and a field"),
        ("from: year.a05001.Avg, kind: gauge", "needs from: a factor's code and a field"),
        ("from: a05001.Cou, kind: gauge", "let it be kind: interval"),
        ("from: hour.a05001.Cou, kind: gauge, max_gap: 1h", "let it be kind: interval"),
        ("from: hour.a05001.Avg, kind: interval, length: 1h, stamp: start", "is no amount"),
        ("from: hour.a05001.Cou, kind: interval, length: 1h, stamp: end", "say stamp: start"),
        ("from: hour.a05001.Cou, kind: interval, length: 15m, stamp: start", "amounts of 1h"),
        ("from: hour.a05001.Avg, kind: gauge", "say max_gap: 1h"),
        ("from: a05001.Rtd, kind: gauge, timestamp: {from: time}", "DataTime: remove it"),
    ],
)
def test_what_would_be_counted_wrongly_is_refused_in_the_file(channel: str, words: str) -> None:
    quantity = (
        "mass, unit: kg" if "Cou" in channel or "interval" in channel else "fraction, unit: '%'"
    )
    with pytest.raises(FacilityFileError, match=words):
        logger(channels=f"\n      - {{id: c, {channel}, quantity: {quantity}}}\n")


def test_what_a_frame_tells_itself_is_refused_at_the_device() -> None:
    with pytest.raises(FacilityFileError, match="timestamp maps another format"):
        parse("""
facility: {id: field, name: Field, timezone: Asia/Shanghai}
devices:
  - {id: d, topic: d, format: hj212, timestamp: {from: time}, channels: [{id: c, from: a05001.Rtd, quantity: fraction, unit: "%", kind: gauge}]}
""")  # noqa: E501 - one line a device
