"""Pages of a list: how many rows one answer holds, and the `Link` header that leads to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

from pydantic import Field

from services.api.http import gathered
from services.api.http.cursors import Cursor, Place
from services.api.http.gathered import CutPage
from services.api.http.problems import TooManyRows
from services.api.http.row_order import RowOrder, RowPlace

Row = TypeVar("Row")


class Paged(Protocol):
    """The parameters of a call that lists something."""

    @property
    def limit(self) -> int | None:
        """How many rows the page may have."""

    @property
    def cursor(self) -> str | None:
        """Where the previous page ended."""

    def model_dump(
        self, *, mode: str, by_alias: bool, exclude_unset: bool, exclude: set[str]
    ) -> dict[str, Any]:
        """Return the parameters as pydantic does."""


#: The longest list that one answer holds.
MAX_ROWS = 100_000


def refuse_beyond(count: int, instead: str) -> None:
    """Refuse an answer that would be too long.

    :param count: about how many rows it would have.
    :param instead: what to ask instead.
    :raises TooManyRows: it would.
    """
    if count > MAX_ROWS:
        raise TooManyRows(
            f"The answer would have about {count} rows, more than {MAX_ROWS}; {instead}."
        )


RowLimit = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_ROWS,
        description="maximum number of rows; the `Link` header leads to the next page",
    ),
]
CursorText = Annotated[
    str | None, Field(description="where the previous page ended, from its `Link` header")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[Row]):
    """The rows of one answer, and the headers that lead to the rest."""

    rows: Sequence[Row]
    headers: dict[str, str] = field(default_factory=dict)


class Links(Generic[Place]):
    """The links from page to page of the list at ``path``, whose rows are ordered by place."""

    def __init__(self, path: str, cursor: Cursor[Place]) -> None:
        self._path = path
        self._cursor = cursor

    def after(self, query: Paged) -> Place | None:
        """Return the place after which the page begins; None: the first page.

        :raises Malformed: the cursor is not one of this list.
        """
        return self._cursor.read(query.cursor)

    def next_page(self, last: Place, query: Paged, **resolved: str) -> dict[str, str]:
        """Return the header that leads to what follows the place of the last row.

        The link (RFC 8288) repeats the parameters of ``query`` as they were given, or as
        ``resolved`` where the next request would understand them otherwise.
        """
        parameters = {
            **query.model_dump(by_alias=True, exclude_unset=True, exclude={"cursor"}, mode="json"),
            **resolved,
            "cursor": self._cursor.write(last),
        }
        return {"Link": f'<{self._path}?{urlencode(parameters, doseq=True)}>; rel="next"'}

    def of_rows(
        self,
        order: RowOrder,
        limit: int | None,
        place: Callable[[RowPlace], Place],
        query: Paged,
        **resolved: str,
    ) -> dict[str, str]:
        """Return the header that leads to what follows a page of rows of series; none: nothing."""
        is_cut = order.last is not None

        def link_after(number: int) -> dict[str, str]:
            return self.next_page(place(order.place_of(number)), query, **resolved)

        if limit is not None:
            self.note(limit, link_after, is_cut=is_cut)
        return link_after(-1) if is_cut else {}

    @staticmethod
    def note(limit: int, link_after: Callable[[int], dict[str, str]], *, is_cut: bool) -> None:
        """Tell whoever merges this page with those of other databases how it was cut."""
        if (gathering := gathered.current.get()) is not None:
            gathering.page = CutPage(limit=limit, link_after=link_after, is_cut=is_cut)


class Pages(Links[Place], Generic[Row, Place]):
    """The pages of a list whose rows are there one by one."""

    def __init__(self, path: str, cursor: Cursor[Place], place: Callable[[Row], Place]) -> None:
        super().__init__(path, cursor)
        self._place = place

    def page(self, rows: Sequence[Row], query: Paged, **resolved: str) -> Page[Row]:
        """Cut what was found to ``query.limit`` rows; one row more tells that there is a rest.

        ``resolved``: see :meth:`next_page`.
        """
        if query.limit is None:
            return Page(rows=rows)
        is_cut, rows = len(rows) > query.limit, rows[: query.limit]
        self.note(
            query.limit,
            lambda number: self.next_page(self._place(rows[number]), query, **resolved),
            is_cut=is_cut,
        )
        if not is_cut:
            return Page(rows=rows)
        return Page(rows=rows, headers=self.next_page(self._place(rows[-1]), query, **resolved))
