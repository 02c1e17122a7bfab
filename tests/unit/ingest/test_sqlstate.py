from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from services.ingest.sqlstate import ErrorKind, classify


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("server closed the connection unexpectedly"), ErrorKind.RETRY),
        (psycopg.InterfaceError("the connection is closed"), ErrorKind.RETRY),
        (errors.SerializationFailure(), ErrorKind.RETRY),
        (errors.DeadlockDetected(), ErrorKind.RETRY),
        (errors.DiskFull(), ErrorKind.RETRY),
        (errors.TooManyConnections(), ErrorKind.RETRY),
        (errors.LockNotAvailable(), ErrorKind.RETRY),
        (errors.AdminShutdown(), ErrorKind.RETRY),
        (errors.CannotConnectNow(), ErrorKind.RETRY),
        (errors.IoError(), ErrorKind.RETRY),
        (errors.ReadOnlySqlTransaction(), ErrorKind.RETRY),
        (errors.QueryCanceled(), ErrorKind.TOO_LONG),
        (errors.IdleInTransactionSessionTimeout(), ErrorKind.TOO_LONG),
        (errors.CheckViolation(), ErrorKind.REFUSED),
        (errors.NotNullViolation(), ErrorKind.REFUSED),
        (errors.NumericValueOutOfRange(), ErrorKind.REFUSED),
        (errors.RaiseException(), ErrorKind.REFUSED),
        (errors.InternalError_(), ErrorKind.REFUSED),
        (errors.UndefinedTable(), ErrorKind.FATAL),
        (errors.InsufficientPrivilege(), ErrorKind.FATAL),
        (errors.InvalidCatalogName(), ErrorKind.FATAL),
        (psycopg.ProgrammingError("a bug of ours"), ErrorKind.FATAL),
    ],
)
def test_each_error_asks_for_one_thing(error: psycopg.Error, kind: ErrorKind) -> None:
    assert classify(error) is kind
