"""Two workers of a test run never ask for the same port."""

from __future__ import annotations

import itertools

import pytest

from tests.services import _ports


def test_workers_share_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    of_workers: list[set[int]] = []
    for worker in ("gw0", "gw1", "gw2"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        # the whole of a worker's, and the first ones again
        of_workers.append(set(itertools.islice(_ports(), 8_000)))
    assert sum(map(len, of_workers)) == len(set[int]().union(*of_workers)) == 22_000
