"""Roles of people by their groups at the provider, as ``TONNE_OIDC_ROLES`` says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from services.core.store.people.roles import ROLES, Role

_FACILITY = re.compile(r"[a-z0-9][a-z0-9_-]*")


class GroupRolesError(ValueError):
    """The mapping cannot be read; the message says what to write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRole:
    """A role that a group has."""

    group: str
    role: Role
    #: slugs; None: all
    facilities: frozenset[str] | None


def parse(mapping: str) -> tuple[GroupRole, ...]:
    """Read ``GROUP=ROLE[@FACILITY[+FACILITY...]], ...``; a group may stand in several entries.

    :raises GroupRolesError: an entry is not of this form, or there is none.
    """
    entries = [entry.strip() for entry in mapping.split(",") if entry.strip()]
    if not entries:
        raise GroupRolesError("name one group at least, such as tonne-admins=admin")
    return tuple(_entry(entry) for entry in entries)


def roles_of(groups: Collection[str], mapping: Collection[GroupRole]) -> list[dict[str, Any]]:
    """Return the roles that ``groups`` give, as a session keeps them, each role once."""
    facilities: dict[Role, frozenset[str] | None] = {}
    for given in mapping:
        if given.group in groups:
            before = facilities.get(given.role, frozenset())
            if before is None or given.facilities is None:
                facilities[given.role] = None
            else:
                facilities[given.role] = before | given.facilities
    return [
        {"role": role, "facilities": None if slugs is None else sorted(slugs)}
        for role, slugs in sorted(facilities.items())
    ]


def groups_in(claims: Mapping[str, Any], name: str) -> list[str] | None:
    """Read the groups of an ID token; None: the claim is missing, or lists no texts.

    ``name``: of the claim, or its path by dots, as in Keycloak's ``realm_access.roles``.
    """
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for step in name.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
    groups = [value] if isinstance(value, str) else value
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        return None
    return groups


def _entry(entry: str) -> GroupRole:
    group, equals, right = entry.rpartition("=")
    role, limited, named = right.partition("@")
    group, role = group.strip(), role.strip()
    if not equals or not group or role not in ROLES:
        raise GroupRolesError(
            f"`{entry}` is not GROUP=ROLE or GROUP=ROLE@FACILITY+FACILITY, with a role of"
            f" {', '.join(ROLES)}"
        )
    slugs = [slug.strip() for slug in named.split("+")] if limited else None
    if slugs is not None and not all(_FACILITY.fullmatch(slug) for slug in slugs):
        raise GroupRolesError(f"`{entry}` names no facility after @; write ids as in linz+graz")
    return GroupRole(
        group=group,
        role=role,
        facilities=None if slugs is None else frozenset(slugs),
    )
