"""`tonne topics` and `tonne secrets`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from services.cli import app
from tests.integration.aggregator.plant import FILE, apply_text
from tests.services import as_login

pytestmark = pytest.mark.database


@pytest.fixture
def tonne(database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("TONNE_DATABASE_URL", as_login(database_url, "tonne_admin"))
    monkeypatch.setenv("COLUMNS", "200")
    apply_text(database_url)
    return CliRunner()


def said(tonne: CliRunner, *words: str, code: int = 0) -> str:
    result = tonne.invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


def test_topics_are_granted_listed_and_taken_back(tonne: CliRunner, database_url: str) -> None:
    assert "works may name plant/gw1" in said(tonne, "topics", "grant", "works", "plant/gw1/#")
    assert "already" in said(tonne, "topics", "grant", "works", "plant/gw1/")
    assert "plant/gw1" in said(tonne, "topics", "list")
    device = "  - {id: gw, topic: plant/gw1/a, format: json, channels: [{id: e, from: e,"
    device += " quantity: energy, unit: kWh, kind: counter}]}\n"
    apply_text(database_url, FILE.replace("devices:\n", f"devices:\n{device}"))
    told = said(tonne, "topics", "revoke", "works", "plant/gw1")
    assert "may no longer name plant/gw1" in told
    assert "still names plant/gw1/a" in told
    assert "plant/gw1" not in said(tonne, "topics", "list")
    assert "has no grant" in said(tonne, "topics", "revoke", "works", "plant/gw1", code=1)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "#",
        "+/a",
        "a/b+",
        ">",
        "$SYS",
        "emissions",
        "emissions/other",
        "a\nb",
        "a/*",
        "emissions/_shared/factors/+",
    ],
)
def test_what_cannot_be_granted(tonne: CliRunner, prefix: str) -> None:
    assert said(tonne, "topics", "grant", "works", prefix, code=1).startswith("tonne: ")
    assert "apply its file first" in said(tonne, "topics", "grant", "nowhere", "a", code=1)


def test_a_topic_of_many_devices_is_granted_as_it_is_written(tonne: CliRunner) -> None:
    assert "works may name gw/+/up" in said(tonne, "topics", "grant", "works", "gw/+/up")


def test_secrets_are_granted_by_name(tonne: CliRunner) -> None:
    said(tonne, "secrets", "grant", "works", "TONNE_SECRET_HOOK")
    assert "TONNE_SECRET_HOOK" in said(tonne, "secrets", "list")
    said(tonne, "secrets", "revoke", "works", "TONNE_SECRET_HOOK")
    refused = said(tonne, "secrets", "grant", "works", "PATH", code=1)
    assert "rename it to TONNE_SECRET_PATH" in refused
