from __future__ import annotations

from ipaddress import ip_address

import pytest

from services.notify.address import Reach, refusal

PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "fc00::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::1",
    "2002:7f00:1::",
]
NEVER = [
    "169.254.169.254",
    "fe80::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "224.0.0.1",
    "ff02::1",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "::",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_the_internet_may_be_gone_to(text: str) -> None:
    assert refusal(ip_address(text), Reach.PUBLIC) is None


@pytest.mark.parametrize("text", INSIDE + NEVER)
def test_nothing_inside_may_in_any_spelling(text: str) -> None:
    assert refusal(ip_address(text), Reach.PUBLIC)


@pytest.mark.parametrize("text", PUBLIC + INSIDE)
def test_the_site_may_where_that_is_meant(text: str) -> None:
    assert refusal(ip_address(text), Reach.SITE) is None


@pytest.mark.parametrize("text", NEVER)
def test_what_configures_a_machine_is_not_the_site(text: str) -> None:
    assert refusal(ip_address(text), Reach.SITE)


@pytest.mark.parametrize("text", PUBLIC + INSIDE + NEVER)
def test_everything_may_where_that_is_set(text: str) -> None:
    assert refusal(ip_address(text), Reach.ANY) is None
