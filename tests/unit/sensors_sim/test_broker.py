from __future__ import annotations

import pytest

from sensors_sim.broker import default_url, parse_broker


def test_a_url_names_host_port_user_and_tls() -> None:
    broker = parse_broker("mqtts://meter%2B1:s%40fe@example.org")
    assert (broker.host, broker.port, broker.tls) == ("example.org", 8883, True)
    assert (broker.username, broker.password) == ("meter+1", "s@fe")
    assert "s@fe" not in f"{broker} {broker!r}"


@pytest.mark.parametrize(
    "url", ["nats://127.0.0.1:4222", "127.0.0.1:1883", "mqtt://", "mqtt://a:b"]
)
def test_another_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://host:1883"):
        parse_broker(url)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.0.1", False), ("a", False)],
)
def test_loopback_is_told_from_other_machines(host: str, loopback: bool) -> None:
    assert parse_broker(f"mqtt://{host}").is_loopback is loopback


def test_the_environment_names_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TONNE_MQTT_URL", raising=False)
    monkeypatch.delenv("TONNE_MQTT_PORT", raising=False)
    assert default_url() == "mqtt://127.0.0.1:1883"
    monkeypatch.setenv("TONNE_MQTT_PORT", "2883")
    assert default_url() == "mqtt://127.0.0.1:2883"
    monkeypatch.setenv("TONNE_MQTT_URL", "mqtt://example.org")
    assert default_url() == "mqtt://example.org"
