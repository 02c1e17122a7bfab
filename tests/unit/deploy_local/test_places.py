"""Where the local stack says that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.places import find_places
from tests.examples import examples_of
from tests.repository.files import ROOT


def test_addresses_have_the_ports_that_are_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TONNE_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("TONNE_API_PORT", "8123")
    monkeypatch.setenv("TONNE_MQTT_PORT", "1999")
    assert find_places().addresses == (
        "http://127.0.0.1:8123 (documentation: http://127.0.0.1:8123/docs/,"
        " devices: mqtt://127.0.0.1:1999)"
    )


def test_addresses_show_no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TONNE_LOCAL_DIR", str(tmp_path))
    monkeypatch.setenv("TONNE_MQTT_URL", "mqtts://me:secret@broker.example")
    assert "devices: mqtts://***@broker.example" in find_places().addresses


@pytest.mark.parametrize("name", ["README.md", "deploy/docs/start/publish.md"])
def test_the_first_message_is_looked_for_at_the_port_that_is_set(name: str) -> None:
    asked = [
        example.text
        for example in examples_of(ROOT / name)
        if example.language == "sh" and "/v1/live" in example.text
    ]
    assert asked
    assert all("${TONNE_API_PORT:-8000}/v1/live" in text for text in asked)
