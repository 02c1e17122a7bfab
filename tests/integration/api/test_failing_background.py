"""An API whose background work has failed ends, and says that it failed: it is started again."""

from __future__ import annotations

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from services.api import app
from services.core.runtime.settings import Settings
from tests.services import free_port


async def _fail(_watched: object) -> None:
    raise RuntimeError("a fault of our own")


def test_a_process_that_cannot_go_on_does_not_end_as_if_it_was_asked_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.StandingKeys, "watch", _fail)
    # logs are configured for the process
    monkeypatch.setattr(app.logging, "configure", lambda **_: None)
    nobody = SecretStr(f"postgresql://tonne_api@127.0.0.1:{free_port()}/tonne")
    with capture_logs() as logged:
        code = app.run(Settings(database_url=nobody, api_auth="off", api_port=free_port()))
    assert "background_task_failed" in [entry["event"] for entry in logged]
    assert code == 1
