"""The page of quarantine reasons."""

from __future__ import annotations

from deploy.reference.markdown import code, page, table
from services.ingest.quarantine.reasons import ADVICE, Reason


def page_of_reasons() -> str:
    """Return the page: each reason with what to do about it."""
    return page(
        "Quarantine reasons",
        "A message or reading that tonne cannot store is kept in quarantine with its raw bytes and"
        " one of these reasons. `tonne quarantine list` and `GET /v1/quarantine` show the entries;"
        " `tonne quarantine replay` tries them again.",
        table(("reason", "what to do"), ((code(each.value), ADVICE[each]) for each in Reason)),
    )
