"""Which hosts may be connected to: those that are named, and no others."""

from __future__ import annotations

import pytest

from services.ingest.connections.hosts import HostsError, parse

SETTING = "meter.example.org, 192.168.1.40:502, 10.2.0.0/24@linz, [fd00::7]:23@graz, [fd00:1::/64]"


@pytest.mark.parametrize(
    ("facility", "host", "port", "allowed"),
    [
        ("linz", "meter.example.org", 502, True),
        ("linz", "other.example.org", 502, False),
        ("linz", "meter.example.org.evil.net", 502, False),
        ("linz", "192.168.1.40", 502, True),
        ("linz", "192.168.1.40", 5432, False),
        ("linz", "192.168.1.41", 502, False),
        ("linz", "10.2.0.9", 23, True),
        ("graz", "10.2.0.9", 23, False),
        ("linz", "10.2.1.9", 23, False),
        ("graz", "fd00::7", 23, True),
        ("linz", "fd00::7", 23, False),
        ("graz", "fd00:1::5", 1, True),
        # a name is no address, whatever it resolves to
        ("linz", "localhost", 502, False),
    ],
)
def test_what_is_named_is_allowed(facility: str, host: str, port: int, *, allowed: bool) -> None:
    assert parse(SETTING).allow(facility, host, port) is allowed


@pytest.mark.parametrize("setting", [None, "", " , "])
def test_nothing_is_allowed_by_itself(setting: str | None) -> None:
    assert not parse(setting).allow("linz", "127.0.0.1", 502)


@pytest.mark.parametrize(
    "setting",
    [
        "http://meter",
        "meter:0",
        "meter:99999",
        "10.2.0.1/24",
        "a b",
        "meter@Linz!",
        "fd00::7:23:x@",
    ],
)
def test_what_is_no_host_is_refused(setting: str) -> None:
    with pytest.raises(HostsError):
        parse(setting)
