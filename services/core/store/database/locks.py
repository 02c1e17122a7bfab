"""Advisory locks that more than one process takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, func, select

#: Whoever changes the registry; shared by those to whom it must stay as it is.
REGISTRY: Final = 0x746F6E70

#: With a facility's id: whoever computes, or deletes, what follows from its readings.
FACILITY: Final = 0x746F6E

#: With a facility's id: shared by those who write readings that may be of packed days, or open such
#: days; alone by whoever packs.
HISTORY: Final = 0x746F6E73

#: With a facility's id: shared by those who remove sums of its hours; alone by whoever sums.
SUMS: Final = 0x746F6E74

#: With a facility's id: shared by those who bring readings of it; alone by whoever moves it to
#: another cell.
LIVES: Final = 0x746F6E75

#: Of a session, in both databases: whoever moves a facility to another cell, or ends such a move.
MOVES: Final = 0x746F6E76

#: Whoever drops readings that are older than raw readings are to last.
RETENTION: Final = 0x746F6E72

#: Of a session: whoever writes the archive, lets readings leave for it, or brings them back.
ARCHIVE: Final = 0x746F6E61

#: With a series' id: whoever writes values of a factor by the hour.
FACTOR_SERIES: Final = 0x746F6E68

#: Of a session: the ingest that notes devices which nobody registered.
CANDIDATES: Final = 0x746F6E63

#: Of a session: whichever ingest process is the host application of Sparkplug.
SPARKPLUG: Final = 0x746F6E78

#: Of a session, with the hash of an address: whichever ingest process connects to a device there.
DEVICE_ADDRESS: Final = 0x746F6E64


def hold_facilities(connection: Connection, facility_ids: Iterable[int]) -> None:
    """Let nothing be computed of facilities until the transaction ends.

    What is being computed at this moment, by what was stated before, is known when this returns.
    Whoever states something else, and has what is known computed again, would miss it otherwise.
    """
    for facility_id in sorted(set(facility_ids)):
        connection.execute(select(func.pg_advisory_xact_lock_shared(FACILITY, facility_id)))
