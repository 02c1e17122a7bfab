"""Cursors say where a page ended, whatever ids have in them."""

from __future__ import annotations

import base64
from typing import NamedTuple

import pytest

from services.api.http.cursors import Cursor
from services.api.http.problems import Malformed


class Place(NamedTuple):
    day: int
    id: str


@pytest.mark.parametrize("id_", ["B-17", "B 17", "100 %", "%20", " ", "Nr. 1/ä 漢", "%" * 200])
def test_what_was_written_is_read(id_: str) -> None:
    cursor = Cursor(Place)
    assert cursor.read(cursor.write(Place(739_000, id_))) == Place(739_000, id_)


@pytest.mark.parametrize("text", ["739000 a b", "739000 %41", "739000 %", "739000 a\0b", "739000"])
def test_what_nobody_wrote_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="cursor"):
        Cursor(Place).read(base64.urlsafe_b64encode(text.encode()).decode())
