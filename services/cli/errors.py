"""What the operator can mend is one sentence and exit code 1, not a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import typer
from sqlalchemy.exc import OperationalError, ProgrammingError

from services.cli.say import say
from services.core.facility.errors import ApplyError
from services.core.runtime.logging import without_credentials
from services.core.runtime.settings import SettingsError
from services.core.store.database.connect import DatabaseUrlError
from services.core.store.operations.keys import KeyRequestError
from services.core.store.schema.migrate import MigrationError


def failure(sentence: str) -> typer.Exit:
    """Say ``sentence`` without any credentials in it; raise what is returned."""
    say(f"tonne: {without_credentials(sentence)}", err=True)
    return typer.Exit(1)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn the errors that an operator can mend into their sentence."""
    try:
        yield
    except (SettingsError, DatabaseUrlError, MigrationError, ApplyError, KeyRequestError) as error:
        raise failure(str(error)) from None
    except (psycopg.errors.UndefinedTable, ProgrammingError) as error:
        if not isinstance(getattr(error, "orig", error), psycopg.errors.UndefinedTable):
            raise
        raise failure("the database has no schema yet; run `tonne migrate`") from None
    except (psycopg.OperationalError, OperationalError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise failure(
            f"the database cannot be used ({reason}); check TONNE_DATABASE_URL,"
            " or start the local stack with `make up`"
        ) from None
