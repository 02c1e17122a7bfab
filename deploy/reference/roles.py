"""The page of rights, roles and scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.reference.markdown import code, page, table
from services.core.store.people.roles import MEANINGS, OF_ROLE, OF_SCOPE, Right


def page_of_roles() -> str:
    """Return the page: what each right allows, and who has it."""
    return page(
        "Rights, roles and scopes",
        "People have roles, keys have scopes; both are rights, which hold in all facilities or in"
        " those that they were given in. A facility in which nothing may be read answers as one"
        " that does not exist. Accounts, keys and grants are made by commands alone.",
        "## Rights\n\n"
        + table(("right", "allows to"), ((code(r), t) for r, t in MEANINGS.items())),
        "## Roles of people\n\n" + _who(OF_ROLE),
        "## Scopes of keys\n\n" + _who(OF_SCOPE),
    )


def _who(rights: Mapping[Any, frozenset[Right]]) -> str:
    return table(
        ("name", *MEANINGS),
        (
            (code(name), *("yes" if right in granted else "" for right in MEANINGS))
            for name, granted in rights.items()
        ),
    )
