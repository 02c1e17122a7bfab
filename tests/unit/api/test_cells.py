"""How each call is answered over several cells, and what may go wrong with their answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest

from services.api.cells.all_cells import AllCells
from services.api.cells.cursors import CellsCursor, read
from services.api.cells.one_answer import tags_of
from services.api.cells.rules import RULES, AtFacility, Merged, rule_of
from services.api.context import Context
from services.api.http.problems import CellAway, Conflict, Malformed
from services.api.presence import Presence
from services.core.store.database import open_connections
from tests.repository.files import openapi


def test_every_call_of_the_specification_has_a_rule() -> None:
    calls = {
        call["operationId"]
        for methods in openapi()["paths"].values()
        for method, call in methods.items()
        if method != "parameters"
    }
    assert calls - RULES.keys() == set()
    assert RULES.keys() - calls == set()


def test_a_call_with_facilities_in_its_path_is_of_one_cell() -> None:
    for path, methods in openapi()["paths"].items():
        for call in methods.values():
            if "{facility}" in path:
                assert isinstance(rule_of(call["operationId"]), AtFacility), path


def test_only_lists_are_merged_whose_rows_have_what_they_are_ordered_by() -> None:
    schemas = openapi()["components"]["schemas"]
    for methods in openapi()["paths"].values():
        for call in methods.values():
            rule = rule_of(call["operationId"])
            if not isinstance(rule, Merged) or not rule.by:
                continue
            items = call["responses"]["200"]["content"]["application/json"]["schema"]["items"]
            rows = items.get("anyOf", [items])
            names = schemas[rows[0]["$ref"].rpartition("/")[2]]["properties"]
            assert set(rule.by) <= names.keys(), call["operationId"]


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = CellsCursor(arrivals=3, after={"home": "MTc=", "b": None})
    assert read(cursor.write()) == cursor
    assert read(None) is None
    cursor.refuse_moved(3)
    with pytest.raises(Conflict):
        cursor.refuse_moved(4)


@pytest.mark.parametrize("text", ["", "x", "MTc=", "W10=", "WzEsMl0=", "é", "A" * 200_000])
def test_a_cursor_that_no_list_wrote_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)


def test_a_validator_is_of_the_cell_that_wrote_it() -> None:
    sent = b'W/"a~b", W/"c", "strong", W/"d~other"'
    assert tags_of(sent, b"~b") == b'W/"a", "strong"'
    assert tags_of(sent, b"") == b'W/"c", "strong"'


async def test_what_waits_for_a_cell_that_hangs_ends_with_the_api(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A statement is cancelled by the server's consent, and a thread by nothing."""
    cut: list[str] = []
    is_cut = asyncio.Event()

    def cut_all(url: str) -> int:
        cut.append(url)
        is_cut.set()
        return 1

    async def hang() -> None:
        while not is_cut.is_set():
            with suppress(asyncio.CancelledError):
                await is_cut.wait()
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(open_connections, "cut", cut_all)
    presence = Presence("b", "postgresql://b")
    cells = AllCells(cast("dict[str, Context]", {"b": SimpleNamespace(presence=presence)}))
    before = asyncio.all_tasks()
    with pytest.raises(CellAway):
        await cells.unless_it_hangs("b", hang(), within_s=0.0)
    assert asyncio.all_tasks() - before
    await presence.end()
    assert cut == ["postgresql://b"]
    assert not asyncio.all_tasks() - before
