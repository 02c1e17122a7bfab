"""The derived channels of a facility, as its file states them now.

They have no rows of their own: a source keeps what it is computed from, and what shows or watches
one asks the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from services.core.facility import derived_channels
from services.core.facility.model import Derived

#: What :func:`of_row` reads, of the table ``facility``.
COLUMN: Final[LiteralString] = """
jsonb_path_query_array(
    document, '$.devices[*] ? (exists(@.channels[*] ? (@.kind == "derived")))') AS with_derived
"""


def of_row(row: Mapping[str, Any]) -> dict[str, Derived]:
    """Return them by ``device.channel``, from a row that has COLUMN."""
    return derived_channels.derived_channels(row["with_derived"])
