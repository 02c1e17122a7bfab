"""Errors that an operator can correct: one sentence and exit code 1, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import typer
from sqlalchemy.exc import OperationalError, ProgrammingError

from services.cli.say import say
from services.core.facility.errors import ApplyError
from services.core.runtime.credentials import without_credentials
from services.core.runtime.settings import SettingsError
from services.core.runtime.tracing import TracingError
from services.core.store.database import hanging
from services.core.store.database.connect import DatabaseUrlError
from services.core.store.database.schema_version import SchemaError
from services.core.store.readings.packing.archived import ArchivedDayError


def failure(sentence: str) -> typer.Exit:
    """Print ``sentence`` without any credentials in it; raise what is returned."""
    say(f"tonne: {without_credentials(sentence)}", err=True)
    return typer.Exit(1)


@contextmanager
def clear_errors(*own_errors: type[Exception]) -> Iterator[None]:
    """Turn errors that an operator can correct into their sentence.

    :param own: the command's own errors, whose message is the sentence.
    """
    try:
        yield
    except (
        SettingsError,
        TracingError,
        DatabaseUrlError,
        SchemaError,
        ApplyError,
        ArchivedDayError,
    ) as error:
        raise failure(str(error)) from None
    except own_errors as error:
        raise failure(str(error)) from None
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.InsufficientPrivilege,
        ProgrammingError,
    ) as error:
        cause = getattr(error, "orig", error)
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            refusal = str(cause).splitlines()[0]
            raise failure(
                f"the database denies access ({refusal}); use another login in TONNE_DATABASE_URL:"
                " tonne_aggregate for verify and recompute, tonne_ingest for import and activities"
                " import, tonne_backup for backup, the database owner for migrate and"
                " remove --purge, and of both for cells, tonne_admin for other commands"
            ) from None
        if not isinstance(cause, psycopg.errors.UndefinedTable):
            raise
        raise failure("the database has no schema yet; run `tonne migrate`") from None
    except (psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as error:
        # a page whose checksum does not fit: nothing that is read of it can be believed
        reason = str(error).strip().splitlines()[0]
        raise failure(
            f"the database's files are damaged ({reason}): its disk or memory has changed what was"
            " stored; stop tonne, look after the disk, and restore the last backup with"
            " `tonne restore`"
        ) from None
    except (psycopg.OperationalError, OperationalError) as error:
        raise failure(_unusable(getattr(error, "orig", error))) from None


def _unusable(error: BaseException) -> str:
    """Say what an operator can do where the database cannot be used."""
    reason = str(error).strip().splitlines()[0]
    if hanging.was_cut():
        return (
            f"the database has answered nothing for {hanging.LONGEST_S:.0f} s, and the command"
            " gives up; what it was changing just then may be changed or not: look, and run it"
            " again when the database answers"
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return (
            "something else locks what the command needs, for longer than a minute;"
            " pg_stat_activity shows who works and who waits; run it again when that is done"
        )
    if "no password supplied" in reason:
        return (
            "the database asks for a password and none is set; put it into TONNE_DATABASE_URL,"
            " or for the local stack run this next to its .tonne, or set TONNE_LOCAL_DIR"
        )
    return (
        f"the database cannot be used ({reason}); check TONNE_DATABASE_URL,"
        " or start the local stack with `make up`"
    )
