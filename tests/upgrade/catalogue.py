"""What a schema consists of as older code sees it, and what a migration takes away of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

#: By name: what older code can tell of it. A name that goes, or another value, may break it.
_STATEMENTS = {
    "table": "SELECT relname, relkind::text FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')"
    " AND relnamespace IN ('public'::regnamespace, 'history'::regnamespace)",
    # generated columns have their expression as default
    "column": "SELECT a.attrelid::regclass || '.' || a.attname,"
    " format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END"
    " || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')"
    " || CASE WHEN a.attidentity <> '' THEN ' identity' ELSE '' END"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped"
    " AND c.relnamespace IN ('public'::regnamespace, 'history'::regnamespace)",
    "constraint": "SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0",
    "unique index": "SELECT indrelid::regclass || '.' || indexrelid::regclass,"
    " pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE indisunique AND c.relnamespace = 'public'::regnamespace",
    "trigger": "SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid)"
    " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " WHERE c.relnamespace = 'public'::regnamespace AND NOT tgisinternal",
    "function": "SELECT p.oid::regprocedure::text, pg_get_function_result(p.oid) FROM pg_proc p"
    " WHERE p.pronamespace IN ('public'::regnamespace, 'history'::regnamespace) AND NOT EXISTS"
    " (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')",
    "right": "SELECT grantee || ' ' || table_name, string_agg(privilege_type, ','"
    " ORDER BY privilege_type) FROM information_schema.role_table_grants"
    " WHERE grantee LIKE 'tonne\\_%' GROUP BY 1",
}

#: Kinds of which a new one on a table that was there binds older code.
_BINDING = ("constraint", "unique index", "trigger")


@dataclass(frozen=True)
class Catalogue:
    """What there is, by kind and name."""

    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def tables(self) -> set[str]:
        """Names of tables and views, without their schema."""
        return set(self.parts["table"])


def read(connection: psycopg.Connection[Any]) -> Catalogue:
    """Read what a database's schema consists of."""
    return Catalogue(
        {kind: dict(connection.execute(sql).fetchall()) for kind, sql in _STATEMENTS.items()}
    )


def contractions(before: Catalogue, after: Catalogue) -> list[str]:
    """Say what of the schema before older code would miss, or trip over, in the one after."""
    found = [
        sentence
        for kind, parts in before.parts.items()
        for name, value in parts.items()
        if (sentence := _lost(kind, name, value, after.parts[kind].get(name)))
    ]
    for kind, parts in after.parts.items():
        for name, value in parts.items():
            is_new = name not in before.parts[kind] and name.split(".")[0] in before.tables
            if is_new and kind in _BINDING:
                found.append(f"{kind} {name} is new on a table that was there")
            if is_new and kind == "column" and _must_be_filled(value):
                found.append(f"column {name} is new, must be filled, and has no default")
    return sorted(found)


def _lost(kind: str, name: str, value: str, now: str | None) -> str | None:
    if now is None:
        return f"{kind} {name} is gone"
    if kind == "right":
        missing = sorted(set(value.split(",")) - set(now.split(",")))
        return f"right {name} is without {','.join(missing)}" if missing else None
    return None if now == value else f"{kind} {name} was {value} and is {now}"


def _must_be_filled(column: str) -> bool:
    is_filled = " default " in column or column.endswith(" identity")
    return " not null" in column and not is_filled
