"""Whatever fails while a cell's database is asked says which cell it was, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import OperationalError

from services.core.runtime.cell_urls import HOME
from services.core.store.cells.errors import CellError
from services.core.store.database.schema_version import SchemaError


@contextmanager
def named(name: str) -> Iterator[None]:
    """Name the cell whose database is asked.

    :raises CellError: it does not answer, or is of a schema that this code cannot work with.
    """
    try:
        yield
    except SchemaError as error:
        raise CellError(f"cell {name}: {error}") from error
    except (psycopg.OperationalError, OperationalError) as error:
        raise away(name, error) from error


def away(name: str, error: Exception) -> CellError:
    """Build the error of a cell that does not answer."""
    reason = next(iter(str(getattr(error, "orig", error)).strip().splitlines()), "no answer")
    setting = "TONNE_DATABASE_URL" if name == HOME else "TONNE_CELLS"
    return CellError(
        f"the database of cell {name} cannot be used ({reason}); start it, or check {setting}, and"
        " run this again"
    )
