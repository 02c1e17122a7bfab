from __future__ import annotations

import pytest

from services.core.runtime.broker_url import BrokerUrlError, parse


def test_a_full_url() -> None:
    url = parse("mqtt://plant:p%40ss@broker.example:1884")
    assert (url.host, url.port, url.username, url.password) == (
        "broker.example",
        1884,
        "plant",
        "p@ss",
    )
    assert (url.transport, url.tls) == ("tcp", False)


@pytest.mark.parametrize(
    ("text", "transport", "tls", "port"),
    [
        ("mqtt://b", "tcp", False, 1883),
        ("mqtts://b", "tcp", True, 8883),
        ("ws://b", "websockets", False, 80),
        ("wss://b/path", "websockets", True, 443),
        ("nats://b", "tcp", False, 4222),
        ("tls://b", "tcp", True, 4222),
    ],
)
def test_schemes_and_their_ports(text: str, transport: str, tls: bool, port: int) -> None:
    url = parse(text)
    assert (url.transport, url.tls, url.port) == (transport, tls, port)
    assert url.protocol == ("nats" if port == 4222 else "mqtt")


def test_servers_of_a_cluster_come_one_after_the_other() -> None:
    url = parse("nats://plant:p%2Css@one,two:4223,[::1]:4224")
    assert [(at.host, at.port) for at in url.servers()] == [
        ("one", 4222),
        ("two", 4223),
        ("::1", 4224),
    ]
    assert {(at.username, at.password) for at in url.servers()} == {("plant", "p,ss")}
    assert url.next_server().next_server().next_server() == url
    alone = parse("mqtt://one")
    assert alone.next_server() is alone


@pytest.mark.parametrize("text", ["nats://one,", "nats://,one", "nats://one,two:99999"])
def test_each_server_of_a_cluster_has_a_host_and_a_port(text: str) -> None:
    with pytest.raises(BrokerUrlError, match="TONNE_MQTT_URL"):
        parse(text)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(parse("mqtt://plant:secret@b"))


@pytest.mark.parametrize("text", ["", "b:1883", "amqp://b", "mqtt://", "mqtt://b:99999"])
def test_what_is_no_broker_url_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BrokerUrlError, match="TONNE_MQTT_URL"):
        parse(text)
