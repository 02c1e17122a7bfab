from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import Field

from services.api.http.cursors import Cursor
from services.api.http.pages import Pages
from services.api.http.parameters import FacilityList, Instant, Query
from services.api.http.problems import Malformed


class Place(NamedTuple):
    time: datetime
    source: str
    version: int


CURSOR = Cursor(Place)
PAGES: Pages[Place, Place] = Pages("/v1/x", CURSOR, lambda each: each)
PLACE = Place(datetime(2026, 11, 23, 17, 0, 0, 250_000, UTC), "stack-1", 3)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert CURSOR.read(CURSOR.write(PLACE)) == PLACE
    assert CURSOR.read(None) is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "2026-11-23T17:00:00Z stack-1 3",
        encoded("2026-11-23T17:00:00Z stack-1"),
        encoded("2026-11-23T17:00:00Z stack-1 3 4"),
        encoded("2026-11-23T17:00:00 stack-1 3"),
        encoded("0001-01-01T00:00:00Z stack-1 3"),
        encoded("2026-11-23T17:00:00Z  3"),
        encoded("2026-11-23T17:00:00Z a\0b 3"),
        encoded("2026-11-23T17:00:00Z stack-1 0"),
        encoded("2026-11-23T17:00:00Z stack-1 -3"),
        encoded("2026-11-23T17:00:00Z stack-1 \u0663"),
        encoded(f"2026-11-23T17:00:00Z stack-1 {1 << 63}"),
        encoded(f"2026-11-23T17:00:00Z {'a' * 2000} 3"),
    ],
)
def test_rubbish_is_no_cursor(cursor: str) -> None:
    with pytest.raises(Malformed, match="`Link`"):
        CURSOR.read(cursor)


class Listing(Query):
    facility: FacilityList = Field([])
    since: Instant | None = None
    limit: int = 2
    cursor: str | None = None


def places(count: int) -> list[Place]:
    return [PLACE._replace(version=version) for version in range(1, count + 1)]


def test_the_last_page_has_no_link() -> None:
    listed = PAGES.page(places(2), Listing())
    assert listed.rows == places(2)
    assert listed.headers == {}


def test_a_link_repeats_what_was_asked_and_leads_on_from_the_last_row() -> None:
    query = Listing.model_validate({"facility": "linz,graz", "since": "1795456800", "cursor": "y"})
    listed = PAGES.page(places(3), query, interval="1h")
    assert listed.rows == places(2)
    link = listed.headers["Link"]
    assert link.endswith('>; rel="next"')
    address = urlsplit(link[1 : link.index(">")])
    assert address.path == "/v1/x"
    parameters = parse_qs(address.query)
    assert CURSOR.read(parameters.pop("cursor")[0]) == places(2)[-1]
    assert parameters == {
        "facility": ["linz", "graz"],
        "since": ["2026-11-23T18:00:00Z"],
        "interval": ["1h"],
    }
