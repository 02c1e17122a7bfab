"""The facility file that is in force, as it was applied."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, Select, select

from services.core.facility.written import written
from services.core.store.schema import tables as t


def statement(slug: str) -> Select[Any]:
    """Ask for what is kept of a facility's file."""
    return select(t.facility.c.file, t.facility.c.document).where(t.facility.c.slug == slug)


#: Heads a file whose text was applied before texts were kept.
NOT_KEPT: Final = "# The text of this file was not kept: this is what it states.\n"


def text(row: Row[Any]) -> str:
    """Return the file with its comments; where its text is not kept, what it states."""
    return text_of(row.file, row.document)


def text_of(source_text: str | None, document: Any) -> str:
    """Return a file as :func:`text` does."""
    return NOT_KEPT + written(document) if source_text is None else source_text
