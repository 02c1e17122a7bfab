from __future__ import annotations

import resource

import pytest

from services.api.admission.open_files import connections_allowed

NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "allowed", "raised_to"),
    [
        (1_024, 524_288, 11_000, 11_200),
        (1_024, NO_LIMIT, 11_000, 11_200),
        (1_024, 4_096, 3_896, 4_096),
        (65_536, 65_536, 11_000, None),
        (NO_LIMIT, NO_LIMIT, 11_000, None),
    ],
)
def test_connections_fit_the_files_that_the_system_allows(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, allowed: int, raised_to: int | None
) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, given: limits.append(given))
    assert connections_allowed(11_000) == allowed
    assert limits == ([] if raised_to is None else [(raised_to, hard)])
