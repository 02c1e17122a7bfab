"""Changes of configuration: the one thing that the API writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from services.api.context import Context
from services.api.http.problems import Conflict, InvalidRequest, NotFound
from services.core.store.alerts.limit_changes import UnusableError
from services.core.store.database.connect import engine
from services.core.store.database.database_time import date_as_believed
from services.core.store.operations.retire_facility import UnknownFacilityError
from services.core.store.registry.apply_thresholds import OwnedElsewhereError
from services.core.store.registry.retirements import RetiredError

Found = TypeVar("Found")


async def write(context: Context, change: Callable[[Connection], Found]) -> Found:
    """Run ``change`` in a transaction of its own.

    :raises InvalidRequest, NotFound, Conflict: it cannot be made, with the reason.
    """
    return await run_in_threadpool(_write, context.settings.database, change)


def _write(database_url: str, change: Callable[[Connection], Found]) -> Found:
    # the API reads with a role that may not write; configuration is the exception
    bind = engine(database_url, process="api")
    try:
        with bind.begin() as connection:
            date_as_believed(connection)
            return change(connection)
    except (OwnedElsewhereError, RetiredError) as error:
        raise Conflict(str(error)) from None
    except UnknownFacilityError:
        # which others there are is not told here: a key may see some of them only
        raise NotFound("The facility is gone; GET /v1/facilities lists those there are.") from None
    except UnusableError as error:
        raise InvalidRequest(str(error)) from None
    finally:
        bind.dispose()
