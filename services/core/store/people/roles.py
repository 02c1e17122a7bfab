"""Who may do what: rights, the roles and scopes that include them, and where they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Right = Literal["read", "send", "operate", "configure", "administer"]
RIGHTS: Final[tuple[Right, ...]] = get_args(Right)

Role = Literal["viewer", "operator", "engineer", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

#: What each right allows, as the documentation says it.
MEANINGS: Final[dict[Right, str]] = {
    "read": "see totals, readings, alerts, reports and explanations",
    "send": "send readings",
    "operate": "acknowledge alerts, state maintenance, replay what was refused",
    "configure": "apply and retire facility files, correct readings, set thresholds, bring values"
    " of factors",
    "administer": "read the audit log",
}

OF_ROLE: Final[dict[Role, frozenset[Right]]] = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "send", "operate"}),
    "engineer": frozenset({"read", "send", "operate", "configure"}),
    "admin": frozenset(RIGHTS),
}

#: Of the scopes of keys.
OF_SCOPE: Final[dict[str, frozenset[Right]]] = {
    "read": frozenset({"read"}),
    "send": frozenset({"send"}),
    "write": frozenset({"send", "operate", "configure"}),
    "admin": frozenset(RIGHTS),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Rights, and the facilities that they hold in."""

    rights: frozenset[Right]
    #: slugs; None: all
    facilities: frozenset[str] | None


def grants_of_roles(roles: Iterable[Mapping[str, Any]]) -> tuple[Grant, ...]:
    """Return what roles grant, each ``{"role": ..., "facilities": [...] or None}``."""
    return tuple(
        Grant(
            rights=OF_ROLE[given["role"]],
            facilities=None if given["facilities"] is None else frozenset(given["facilities"]),
        )
        for given in roles
    )


def grant_of_scopes(scopes: Iterable[str], facilities: Iterable[str] | None) -> Grant:
    """Return what the scopes of a key grant."""
    return Grant(
        rights=frozenset[Right]().union(*(OF_SCOPE[scope] for scope in scopes)),
        facilities=None if facilities is None else frozenset(facilities),
    )


def facilities_with(right: Right, grants: Iterable[Grant]) -> frozenset[str] | None:
    """Return where ``right`` holds: facility slugs, none if nowhere; None: everywhere."""
    of_right = [grant.facilities for grant in grants if right in grant.rights]
    if any(facilities is None for facilities in of_right):
        return None
    return frozenset[str]().union(*(facilities for facilities in of_right if facilities))
