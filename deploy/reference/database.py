"""The page of database tables and roles."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table

from deploy.reference.markdown import code, page, table
from services.core.store.schema import alert_tables, ddl, pollutant_tables, tables

_MODULES = (tables, alert_tables, pollutant_tables)


def page_of_tables() -> str:
    """Return the page: what each role may write, then each table with its columns."""
    rights = [
        (code(role), code(name), " ".join(granted))
        for role, writes in ddl.WRITES.items()
        for name, granted in writes.items()
    ]
    return page(
        "Database tables and roles",
        "Each process logs in as a role of its own. Every role may read every table but the digests"
        " of API keys and the audit log, which only `tonne_read`, the role of the API's reads, and"
        " `tonne_admin` may read. No role may change or delete a reading: functions do, and keep a"
        " record.",
        f"## Roles\n\n{table(('role', 'table', 'may'), rights)}",
        *_parts(),
    )


def _parts() -> Iterator[str]:
    for each in tables.metadata.sorted_tables:
        rows = [
            (code(column.name), column.type, "yes" if column.nullable else "", column.comment)
            for column in each.columns
        ]
        comment = f"\n\n{_sentence(each)}" if each.comment else ""
        yield f"## `{each.name}`{comment}\n\n" + table(("column", "type", "null", "meaning"), rows)


def _sentence(each: Table) -> str:
    text = str(each.comment)
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
