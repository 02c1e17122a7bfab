"""Kinds of database error: wait and try again, take less at once, never this data, or a bug.

Classes as in PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import psycopg


class ErrorKind(Enum):
    """What a database error asks for."""

    #: hold the batch and try again
    RETRY = "retry"
    #: it took longer than the database allows: the same again would take as long
    TOO_LONG = "too long"
    #: the data is at fault: find the row
    REFUSED = "refused"
    #: neither waiting nor quarantine helps
    FATAL = "fatal"


#: connection exception, transaction rollback (serialisation, deadlock), insufficient resources
#: (disk full, too many connections), object not in prerequisite state (locks), operator
#: intervention (shutdown, start-up), system error (I/O)
_RETRY_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58"})

#: the server became a standby: its successor will write again
_READ_ONLY_TRANSACTION: Final = "25006"

#: statement_timeout (and a query that somebody cancelled), idle_in_transaction_session_timeout,
#: transaction_timeout
_TOO_LONG: Final = frozenset({"57014", "25P03", "25P04"})

#: data exception, integrity violation, a trigger's own exception, internal errors, which
#: extensions raise for rows they cannot place
_REFUSED_CLASSES: Final = frozenset({"22", "23", "P0", "XX"})


def classify(error: psycopg.Error) -> ErrorKind:
    """Return what to do about ``error``."""
    state = error.sqlstate
    if state is None:
        # raised by the client library: the connection is gone, or was never made
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return ErrorKind.RETRY if lost else ErrorKind.FATAL
    if state in _TOO_LONG:
        return ErrorKind.TOO_LONG
    if state[:2] in _RETRY_CLASSES or state == _READ_ONLY_TRANSACTION:
        return ErrorKind.RETRY
    if state[:2] in _REFUSED_CLASSES:
        return ErrorKind.REFUSED
    return ErrorKind.FATAL
