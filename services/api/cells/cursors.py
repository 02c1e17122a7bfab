"""Cursors of lists over several cells: where the page ended in each."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from services.api.http.problems import Conflict, Malformed

#: A cell's own has at most 1 200 characters, of 64 cells.
_MAX_CHARACTERS: Final = 120_000


class _Stored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    #: facilities that had arrived anywhere
    arrivals: int
    #: None: the cell has no more rows
    after: dict[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class CellsCursor:
    """Where the previous page ended."""

    #: how many facilities had arrived anywhere by then
    arrivals: int
    #: by cell the cursor of its own list; None: it has no more rows. A cell that is not named
    #: begins at its beginning
    after: Mapping[str, str | None]

    def write(self) -> str:
        """Encode it."""
        stored = _Stored(arrivals=self.arrivals, after=dict(self.after))
        return base64.urlsafe_b64encode(msgspec.json.encode(stored)).decode()

    def refuse_moved(self, arrivals: int) -> None:
        """Refuse to go on where a facility moved since: its rows may be on both sides.

        :raises Conflict: one did.
        """
        if self.arrivals != arrivals:
            raise Conflict(
                "cursor: a facility moved to another cell since the previous page; begin with the"
                " first page again."
            )


def read(text: str | None) -> CellsCursor | None:
    """Decode a cursor; None: the list from its beginning.

    :raises Malformed: no list over cells ended there.
    """
    if text is None:
        return None
    try:
        stored = msgspec.json.decode(
            base64.b64decode(text[:_MAX_CHARACTERS], altchars=b"-_", validate=True), type=_Stored
        )
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise Malformed("cursor: take it from the `Link` header of an answer") from None
    return CellsCursor(arrivals=stored.arrivals, after=stored.after)


def parameters_of(link: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the parameters that a `Link` header leads with."""
    address = link["Link"].partition("<")[2].partition(">")[0]
    return parse_qs(urlsplit(address).query, keep_blank_values=True)
