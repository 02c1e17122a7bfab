from __future__ import annotations

import pytest

from services.core.runtime.settings import SettingsError, load


def test_secrets_of_facility_files_are_no_misspelt_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TONNE_SECRET_HOOK", "whsec_c2VjcmV0")
    load()
    monkeypatch.setenv("TONNE_SECRETS", "1")
    with pytest.raises(SettingsError, match="TONNE_SECRETS is not a setting") as caught:
        load()
    assert "TONNE_SECRET_HOOK" not in str(caught.value)
