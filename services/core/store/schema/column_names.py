"""Columns of a table by their names: what a statement asks for where ``*`` would not do.

A newer version's migrations may add columns while this code works on (:mod:`.compatibility`).
What is asked for by name stays as it was; of ``*`` the server refuses the plan that it has, and
records get what they have no place for.
"""

from __future__ import annotations

from typing import LiteralString

from sqlalchemy import Table


def column_names(table: Table, alias: str) -> LiteralString:
    """Return a list of all columns for ``SELECT``, each of ``alias``."""
    return ", ".join(f"{alias}.{column.name}" for column in table.columns)
