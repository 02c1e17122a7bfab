"""Regions that are encrypted: the standard's examples, and frames that are made here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.core.accounting.hj212.encryption import opened
from services.core.accounting.hj212.frames import (
    FrameError,
    SealedError,
    check_code,
    modbus_check_code,
    read,
    sealed_without_password,
)
from services.core.accounting.hj212.packets import FrameCutter
from tests.sealed_frames import KEY, sealed

#: HJ 212-2025, annex A.2: what is encrypted, with a key of 16 characters 0, and how it is sent.
PLAIN = (
    b"##0234QN=20240520210700000;ST=31;CN=2051;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&"
    b"DataTime=20240520210600;a01011-Min=1.35,a01011-Avg=1.35,a01011-Max=1.35,a01011-Flag=N;"
    b"a01014-Min=3.20,a01014-Avg=3.20,a01014-Max=3.20,a01014-Flag=N&&B541\r\n"
)
BLOCKS = bytes.fromhex(
    "E43E159ACFAB242CB53155FB8B9281A1A242577ABFAED881BE88B72D69FC55ED1A80119FAAC8B3CD33D285CC76F57F2C"
    "A7F88B9573C6647E0F07E24609BD6B63EB20C5B9784F28E71D2F4994FF61D9E13B391A1D2A454B65388D5D9435DBF021"
    "528C7BF9755EF16518710C0CAC0ADEF9C5156CD0A5A17674AC0ED2ABC40023E9EF70128554B82438E91ADCE98A0D03A4"
)
ZEROS = b"0" * 16
ENCRYPTED = PLAIN[: PLAIN.index(b"DataTime")] + b"{%s}g=N&&B541\r\n" % b",".join(
    b"0x%02X" % byte for byte in BLOCKS
)


def any_station(_station: str) -> bytes:
    return KEY


@pytest.mark.vector
def test_a_block_of_the_standard_of_sm4() -> None:
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    block = b",".join(
        b"0x%02X" % byte for byte in bytes.fromhex("681edf34d206965e86b3e94f536e4246")
    )
    assert opened(b"CP=&&{%s}&&" % block, key) == b"CP=&&" + key + b"&&"


@pytest.mark.vector
def test_the_example_of_annex_a2() -> None:
    (data,) = FrameCutter().feed(ENCRYPTED)
    came = read(data, {"010000A8900016F000169DC0": ZEROS}.get)
    assert came == read(PLAIN)
    assert came.check_code == "hj212"


@pytest.mark.parametrize("rest", range(16))
@pytest.mark.parametrize("code", [check_code, modbus_check_code])
@pytest.mark.parametrize("counts_encrypted", [False, True])
def test_whatever_is_left_over_and_whichever_length_is_told(
    rest: int, code: object, *, counts_encrypted: bool
) -> None:
    segment = f"ST=31;CN=2011;PW=1;MN=M;Flag=9;CP=&&DataTime=20260101080000;a=1{'0' * rest}&&"
    data = sealed(segment, code=code, counts_encrypted=counts_encrypted)  # type: ignore[arg-type]
    # a stream is cut as it is in the clear
    assert FrameCutter().feed(data + data) == [data, data]
    frame = read(data, any_station).frame
    assert frame.region == segment.partition("CP=&&")[2][:-2]


def test_a_frame_whose_key_is_not_there_is_stored_without_its_password_and_read_later() -> None:
    region = "DataTime=20260101080000;a-Rtd=1"
    segment = f"QN=20240520210700000;ST=31;CN=2011;PW=s3cr3t;MN=M;Flag=9;CP=&&{region}&&"
    data = sealed(segment)
    with pytest.raises(SealedError, match="there is no key of station M") as caught:
        read(data)
    assert caught.value.frame.password == "s3cr3t"
    stored = sealed_without_password(data)
    assert b"s3cr3t" not in stored
    assert read(stored, any_station).frame == replace(read(data, any_station).frame, password="")
    # what was changed on the way still shows
    changed = sealed_without_password(data.replace(b"QN=2024", b"QN=2025"))
    with pytest.raises(SealedError, match="bytes were changed on the way"):
        read(changed, any_station)


def test_a_key_of_another_station_opens_nothing() -> None:
    with pytest.raises(SealedError, match="key of station 010000A8900016F000169DC0 does not open"):
        read(ENCRYPTED, lambda _station: b"1" * 16)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (ENCRYPTED.replace(b"{0xE4,", b"{"), "not in blocks of 16 bytes"),
        (ENCRYPTED.replace(b"0234", b"0235"), "the length is 234 and the frame says 0235"),
        (ENCRYPTED.replace(b"&&B541", b"&&0xB5"), "no four hexadecimal digits"),
        (ENCRYPTED.replace(b"MN=", b"MX="), "MN is missing"),
    ],
)
def test_what_is_no_frame_with_any_key_is_refused_with_why(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why) as caught:
        read(data, any_station)
    assert not isinstance(caught.value, SealedError)
