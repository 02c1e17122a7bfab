"""Products: kept with every change, and read as they were known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, select

from services.core.facility.model import FacilityFile, Product, spec
from services.core.store.registry import revisions
from services.core.store.schema.product_tables import product_revision

_IN_FORCE: Final = """
SELECT DISTINCT ON (facility_id) facility_id, spec FROM product_revision
WHERE facility_id = ANY(%(facilities)s)
  AND (%(as_of)s::timestamptz IS NULL OR known_at <= %(as_of)s)
ORDER BY facility_id, known_at DESC
"""


def keep(connection: Connection, facility_id: int, file: FacilityFile, changes: list[str]) -> None:
    """Add what the file states of products, known from now on, where it differs from before.

    ``changes`` gets a line for each product that is new, changes or goes.
    """
    stated = [spec(product) for product in file.products]
    before = (
        connection.scalar(
            select(product_revision.c.spec)
            .where(product_revision.c.facility_id == facility_id)
            .order_by(product_revision.c.known_at.desc())
            .limit(1)
        )
        or []
    )
    if stated == before:
        return
    revisions.keep(connection, product_revision, facility_id, stated)
    old, new = ({p["id"]: p for p in listed} for listed in (before, stated))
    for name, product in new.items():
        if product != old.get(name):
            changes.append(f"{'~' if name in old else '+'} product {name}")
    changes += [f"- product {name}" for name in old if name not in new]


def products(
    connection: psycopg.Connection[Any], facility_ids: Sequence[int], as_of: datetime | None
) -> dict[int, tuple[Product, ...]]:
    """Read the products of facilities that have any; ``as_of``: as known then, None: now."""
    rows = connection.execute(_IN_FORCE, {"facilities": list(facility_ids), "as_of": as_of})
    return {
        facility_id: tuple(Product.model_validate(part) for part in parts)
        for facility_id, parts in rows
        if parts
    }
