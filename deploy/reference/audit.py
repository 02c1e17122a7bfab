"""The page of the audit log's actions."""

from __future__ import annotations

from deploy.reference.markdown import code, page, table
from services.core.store.audit.actions import MEANINGS


def page_of_actions() -> str:
    """Return the page: each action with what its entry is about."""
    return page(
        "Audit log",
        "Who did what, from where, before and after. `GET /v1/audit` lists the entries, newest"
        " first, to keys with the scope `admin`; a key that is limited to facilities sees what"
        " concerns one of them alone. An entry is written in the transaction of what it is about,"
        " so neither is there without the other. No login, the owner's included, changes or deletes"
        " one, and time and login are the database's. Of a facility file the entry has the"
        " difference and both digests.",
        table(("action", "what was done"), ((code(a), text) for a, text in MEANINGS.items())),
    )
