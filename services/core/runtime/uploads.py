"""Files that people upload: what the API asks ingest about them, and what ingest says."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

#: ``readings``: what meters showed; ``activities``: bills, deliveries, trips, refills.
Holds = Literal["readings", "activities"]

#: ``receiving``: parts are missing; ``received``: all are there; ``checking``, ``taking``: a run is
#: under way or waits for its turn; ``checked``: a dry run has ended; ``taken``: it is stored, and
#: the file is deleted; ``failed``: the last run could not read the file, ``error`` says why.
State = Literal["receiving", "received", "checking", "checked", "taking", "taken", "failed"]

#: Characters of a file's name, and bytes of a table file that comes with it.
MAX_NAME: Final = 200

Act = Literal["begin", "append", "list", "show", "check", "take", "remove"]


class UploadAsk(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag="upload"):
    """Stands before what is asked about uploads of a facility; an ``append`` has bytes behind it.

    ``check`` and ``take`` have the table file behind it, or nothing.
    """

    body_bytes: int = 0
    act: Act
    facility: str
    #: id; of ``begin`` and ``list``: none
    upload: str = ""
    #: who asks, and from where, as ledger and audit log show it
    by: str = ""
    address: str | None = None
    request_id: str | None = None
    #: of ``begin``
    name: str = ""
    size: int = 0
    holds: Holds = "readings"
    #: of ``append``: where in the file its bytes begin
    offset: int = 0
    #: of ``check`` and ``take``: what the file does not say itself
    device: str | None = None
    channel: str | None = None
    unit: str | None = None


class Upload(msgspec.Struct, kw_only=True):
    """A file on its way, or what became of it."""

    id: str
    facility: str
    name: str
    holds: Holds
    size: int
    #: bytes that are safely here
    received: int = 0
    state: State = "receiving"
    #: of the file, what the run under way has read
    read_bytes: int = 0
    #: of the run under way, or of the last one
    rows: int = 0
    #: why the last run failed
    error: str | None = None
    #: what the last dry run, and what taking it made of its rows, as ``tonne import --json`` says
    check: dict[str, Any] | None = None
    report: dict[str, Any] | None = None
    #: who began the last run, or else the upload
    by: str = ""
    address: str | None = None
    #: what is stated of the file for the last run
    device: str | None = None
    channel: str | None = None
    unit: str | None = None
    created_at: str = ""
    changed_at: str = ""
    #: runs that ended with their process
    cut_off: int = 0
    is_removed: bool = False
