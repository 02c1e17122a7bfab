"""What the door for HJ 212 makes of frames: messages, answers, refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sensors_sim.hj212 import framed
from services.core.accounting.hj212.frames import modbus_check_code, read
from services.ingest.by_station import UnusableStationsError
from services.ingest.quarantine.reasons import Reason
from services.ingest.sources.hj212.conversation import Conversation, Reception
from services.ingest.sources.hj212.passwords import Passwords, passwords
from services.ingest.station_keys import key_of, stated_keys
from tests.sealed_frames import KEY, sealed

MN = "010000A8900016F000169DC0"
DATA = "DataTime=20160801085857;a05001-Rtd=7.1,a05001-Flag=N"


def segment(cn: str, region: str = DATA, *, flag: str = "Flag=5;", pw: str = "123456") -> str:
    return f"QN=20160801085857223;ST=31;CN={cn};PW={pw};MN={MN};{flag}CP=&&{region}&&"


def said(*data: bytes, by: Passwords | None = None) -> list[Reception]:
    conversation = Conversation(by or Passwords({}))
    return [said for piece in data for said in conversation.feed(piece)]


def answered(cn: str, flag: int = 4) -> bytes:
    head = f"QN=20160801085857223;ST=91;CN={cn};PW=123456;MN={MN}"
    return framed(f"{head};Flag={flag};CP=&&&&")


@pytest.mark.vector
@pytest.mark.parametrize("cn", ["2011", "2021", "2031", "2041", "2051", "2061"])
def test_data_are_a_message_at_the_stations_topic_and_their_answer_is_that_of_annex_c(
    cn: str,
) -> None:
    (one,) = said(framed(segment(cn)))
    assert (one.outcome, one.station, one.answer) == ("taken", MN, answered("9014"))
    assert one.message is not None
    topic, payload = one.message
    assert topic == f"hj212/{MN}"
    # whole, but for the password
    assert read(payload).frame == replace(read(framed(segment(cn))).frame, password="")
    assert b"123456" not in payload


@pytest.mark.parametrize(
    ("cn", "flag", "answer"),
    [
        ("2011", "Flag=4;", None), ("2011", "", None), ("2011", "Flag=9;", answered("9014", 8)),
        ("2011", "Flag=1;", answered("9014", 0)), ("9015", "Flag=9;", answered("9013", 8)),
        ("1013", "Flag=5;", answered("9013")), ("9015", "Flag=8;", None),
        ("2081", "Flag=5;", answered("9014")), ("3020", "Flag=5;", answered("9014")),
    ],
)  # fmt: skip
def test_an_answer_comes_where_it_is_wanted_and_in_the_stations_edition(
    cn: str, flag: str, answer: bytes | None
) -> None:
    (one,) = said(framed(segment(cn, flag=flag)))
    assert one.answer == answer
    assert (one.message is None) == (cn != "2011")


@pytest.mark.parametrize("cn", ["9011", "9012", "9013", "9014", "2013", "2999", "3011"])
def test_what_tonne_does_not_take_is_not_said_to_be_taken(cn: str) -> None:
    assert said(framed(segment(cn))) == [Reception(outcome="ignored")]


def test_a_station_with_another_check_code_is_answered_by_that() -> None:
    data = (
        b"##0236ST=31;CN=2011;PW=123456;MN=MP1;CP=&&DataTime=20210129152246;01-Rtd=8.764,"
        b"01-ZsRtd=14.387;02-Rtd=9.933,02-ZsRtd=16.307;03-Rtd=86.131,03-ZsRtd=141.392;"
        b"B02-Rtd=6015.213;S01-Rtd=13.893;S02-Rtd=2.491;S03-Rtd=44.586;S05-Rtd=0;S08-Rtd=53.796&&"
        b"524F\r\n"
    )
    (one,) = said(data)
    assert (one.station, one.answer) == ("MP1", None)
    wants = data[6:-6].replace(b"CP=", b"Flag=1;CP=")
    (one,) = said(b"##%04d%s%04X\r\n" % (len(wants), wants, modbus_check_code(wants)))
    assert one.answer is not None
    assert read(one.answer).check_code == "modbus-swapped"


def test_each_part_is_answered_by_itself_and_one_without_a_time_has_that_of_the_part_before() -> (
    None
):
    head = f"ST=31;CN=2061;PW=123456;MN={MN};Flag=7;PNUM=2;PNO="
    parts = [
        framed(f"QN=20160801085857534;{head}1;CP=&&DataTime=20160801080000;a05001-Avg=1&&"),
        framed(f"QN=20160801085857535;{head}2;CP=&&a00000-Cou=2&&"),
    ]
    first, second = said(*parts)
    assert first.answer is not None
    assert second.answer is not None
    assert read(second.answer).frame.request == "20160801085857535"
    assert second.message is not None
    assert read(second.message[1]).frame.region == "DataTime=20160801080000;a00000-Cou=2"
    # of another connection nothing is known
    (alone,) = said(parts[1])
    assert alone.message is not None
    assert read(alone.message[1]).frame.region == "a00000-Cou=2"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (framed(segment("2011")).replace(b"7.1", b"7.2"), "the check code is"),
        (framed(segment("2011")).replace(b"##0", b"##1"), "the length is"),
        (framed("CN=2011;PW=123456;MN=x;CP=&&&&"), "ST is missing"),
        (framed(segment("2011").replace(MN, "a/b")), "MN is not of letters"),
        (framed(segment("2011", flag="Flag=99;")), "names version 24"),
    ],
)
def test_what_is_no_frame_is_refused_without_its_password_and_not_answered(
    data: bytes, detail: str
) -> None:
    (one,) = said(data)
    assert (one.outcome, one.station, one.answer) == ("malformed", None, None)
    assert one.refused is not None
    assert one.refused.reason is Reason.MALFORMED_PAYLOAD
    assert detail in one.refused.detail
    assert one.message is not None
    assert one.message[0] == "$hj212"
    assert b"123456" not in one.message[1]
    assert one.message[1].replace(b"PW=*", b"PW=123456") == data


def test_a_wrong_password_is_refused_and_named_nowhere() -> None:
    stated = passwords(f"{MN}:abc123\n*:other")
    assert [one.outcome for one in said(framed(segment("2011", pw="abc123")), by=stated)] == [
        "taken"
    ]
    for cn in ("2011", "9015"):
        (one,) = said(framed(segment(cn, pw="s3cr3t")), by=stated)
        assert (one.outcome, one.answer) == ("wrong-password", None)
        assert one.refused is not None
        assert one.message is not None
        assert (one.message[0], one.refused.topic) == (f"$hj212/{MN}", f"hj212/{MN}")
        assert "s3cr3t" not in f"{one!r}"
        assert "abc123" not in f"{one!r}"


def test_an_encrypted_frame_is_answered_and_handed_on_as_one_in_the_clear() -> None:
    (one,) = Conversation(Passwords({}), {MN: KEY}.get).feed(sealed(segment("2011")))
    assert [one] == said(framed(segment("2011")))


@pytest.mark.parametrize("key", [None, b"1" * 16])
def test_one_that_no_key_opens_waits_at_its_stations_topic_and_is_not_answered(
    key: bytes | None,
) -> None:
    data = sealed(segment("2011"))
    (one,) = Conversation(passwords("*:123456"), lambda _station: key).feed(data)
    assert (one.outcome, one.station, one.answer) == ("sealed", MN, None)
    assert one.message is not None
    topic, payload = one.message
    assert topic == f"hj212/{MN}"
    assert b"123456" not in payload
    # what is said once its key is there
    assert read(payload, lambda _station: KEY).frame.region == DATA
    assert one.sealed is not None
    assert "state its MN:KEY in TONNE_HJ212_KEYS" in one.sealed
    # of what has no data for channels nothing is stored, nor is it said to be taken
    (one,) = Conversation(Passwords({}), lambda _station: key).feed(sealed(segment("3020")))
    assert one == Reception(outcome="ignored")
    # a wrong password shows without a key
    (one,) = Conversation(passwords("*:other"), lambda _station: key).feed(data)
    assert one.outcome == "wrong-password"


def test_a_key_is_looked_up_as_it_is_stated_now(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key_of(MN) is None
    monkeypatch.setenv("TONNE_HJ212_KEYS", f"{MN}:{KEY.hex()}\n*:{'AB' * 16}")
    assert (key_of(MN), key_of("other")) == (KEY, b"\xab" * 16)
    monkeypatch.setenv("TONNE_HJ212_KEYS", "none")
    assert key_of(MN) is None


@pytest.mark.parametrize(
    "text", ["", "A", f"A:{'0' * 31}", f"A:{'0' * 32} A:{'1' * 32}", "A:s3cr3t"]
)
def test_keys_that_are_none_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UnusableStationsError, match=r"entry [12] is not MN:KEY") as caught:
        stated_keys(text)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "station", "password", "accepted"),
    [
        ("A:1 B:2", "A", "1", True), ("A:1,B:2", "B", "1", False), ("A:1", "C", "anything", True),
        ("A:1\n*:9", "C", "9", True), ("A:1\n*:9", "C", "1", False), ("A:1\n*:9", "A", "9", False),
    ],
)  # fmt: skip
def test_passwords(text: str, station: str, password: str, accepted: bool) -> None:
    assert passwords(text).accept(station, password) is accepted


@pytest.mark.parametrize("text", ["", "A", "A:1 A:2", "A:1;B:2", ":1", "A:"])
def test_passwords_that_are_none_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UnusableStationsError, match=r"entry [12] is not MN:PW"):
        passwords(text)
