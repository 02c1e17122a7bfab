"""Cells that are asked for base years answer by themselves, whatever another one does."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import psycopg
import pytest

from services.aggregator import other_cells
from services.aggregator.other_cells import Answer, OtherCells
from services.core.store.database import open_connections
from services.core.store.emissions.organisation_base_years import KnownYears, MemberYear
from tests.patience import PATIENCE_S, until

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
GRAZ = MemberYear("graz", 1, "co2", 2024)
WELS = MemberYear("wels", 1, "co2", 2024)


def answering(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, KnownYears]
) -> tuple[OtherCells, dict[str, threading.Event]]:
    """Ask cells: those of ``known`` answer, the rest hang until their connections are cut."""
    cuts = {name: threading.Event() for name in ("b", "c", "d")}

    def read(cell: other_cells._Asked) -> KnownYears:
        if cell.name in known:
            return known[cell.name]
        assert cuts[cell.name].wait(PATIENCE_S)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def cut(url: str) -> int:
        cuts[url.removeprefix("url of ")].set()
        return 1

    monkeypatch.setattr(other_cells._Asked, "_read", read)
    monkeypatch.setattr(open_connections, "cut", cut)
    cells = OtherCells({name: f"url of {name}" for name in cuts})
    cells.ask([], NOW, 0.0)
    return cells, cuts


def awaited(cells: OtherCells, *, at_s: float) -> Answer:
    answers: list[Answer] = []

    def came() -> bool:
        answer = cells.answer(at_s)
        answers.extend([] if answer is None else [answer])
        return bool(answers)

    until(came, "all have answered or were let go")
    return answers[0]


def test_one_that_hangs_is_let_go_and_the_others_are_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells, cuts = answering(monkeypatch, {"c": {GRAZ: 5}, "d": {WELS: None}})
    threads = {thread.name: thread for thread in threading.enumerate()}
    for name in ("cell c", "cell d"):
        if name in threads:
            threads[name].join(PATIENCE_S)
    assert cells.answer(59.0) is None
    assert not cuts["b"].is_set()
    answer = awaited(cells, at_s=61.0)
    assert [name for name, cut in cuts.items() if cut.is_set()] == ["b"]
    assert answer.known == {GRAZ: 5, WELS: None}
    assert answer.doubled == {}
    assert answer.failures == {"b": "OperationalError: server closed the connection unexpectedly"}
    assert not cells.is_asking


def test_what_two_cells_have_is_of_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    years: dict[str, KnownYears] = {"b": {GRAZ: 5, WELS: 7}, "c": {GRAZ: 5}, "d": {}}
    cells, _ = answering(monkeypatch, years)
    answer = awaited(cells, at_s=1.0)
    assert (answer.known, answer.doubled) == ({WELS: 7}, {"graz": ["b", "c"]})
