from __future__ import annotations

from pathlib import Path

import pytest

from services.core.runtime import secret_files
from services.core.runtime.secret_files import SecretFileError
from services.core.runtime.settings import Settings, SettingsError, load, secret_settings

_SECRET = "postgresql://tonne:hunter2@db/tonne"


def test_every_setting_with_a_secret_comes_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {"database_url", "mqtt_url", "smtp_url", "oidc_client_secret"} <= set(secret_settings())
    for name in secret_settings():
        file = tmp_path / name
        file.write_text(f"{_SECRET}/{name}\n")
        monkeypatch.setenv(f"TONNE_{name.upper()}_FILE", str(file))
    settings = load()
    for name in secret_settings():
        assert getattr(settings, name).get_secret_value() == f"{_SECRET}/{name}"
    assert "hunter2" not in repr(settings)


def test_only_what_can_hold_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    open_settings = set(Settings.model_fields) - set(secret_settings())
    assert "api_port" in open_settings
    monkeypatch.setenv("TONNE_API_PORT_FILE", "/etc/hostname")
    with pytest.raises(SettingsError, match="TONNE_API_PORT_FILE is not a setting"):
        load()


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"a b", "a b"),
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a\n\n", "a\n"),
        (b" a ", " a "),
        ("sch\u00f6n".encode(), "sch\u00f6n"),
    ],
)
def test_one_line_break_at_the_end_is_not_part_of_it(
    content: bytes, value: str, tmp_path: Path
) -> None:
    (tmp_path / "it").write_bytes(content)
    assert secret_files.value_of("X", {"X_FILE": str(tmp_path / "it")}) == value


def test_what_cannot_be_used_is_named_and_never_quoted(tmp_path: Path) -> None:
    for name, content in {
        "empty": b"\n",
        "latin": b"hunter2 \xe4",
        "large": b"hunter2" * 10_000,
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SecretFileError, match=f"X_FILE: '.*{name}' ") as caught:
            secret_files.value_of("X", {"X_FILE": str(tmp_path / name)})
        assert "hunter2" not in str(caught.value)
    for path in (tmp_path, tmp_path / "away", "a\0b", ""):
        with pytest.raises(SecretFileError, match=r"cannot be read|is empty"):
            secret_files.value_of("X", {"X_FILE": str(path)})


def test_both_at_once_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(_SECRET)
    monkeypatch.setenv("TONNE_DATABASE_URL", _SECRET)
    monkeypatch.setenv("TONNE_DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == (
        "TONNE_DATABASE_URL and TONNE_DATABASE_URL_FILE are both set; take one away"
    )


def test_neither_is_none() -> None:
    assert secret_files.value_of("X", {}) is None
