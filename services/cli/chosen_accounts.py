"""Which broker accounts a command is for: those of devices that were named, or all there are."""

from __future__ import annotations

from collections.abc import Mapping

from services.cli import process
from services.cli.device_accounts import (
    Account,
    UnfitIdError,
    discovery_account,
    factors_account,
    heard_topics,
    home_assistant_account,
    own_accounts,
    shared_factors_account,
    sparkplug_account,
    topics,
    user_name,
)
from services.cli.device_names import chosen
from services.cli.errors import clear_errors, failure
from services.cli.process import database
from services.cli.say import say
from services.core.store.registry import grants, read
from services.ingest.route import SHARED_SERIES


def chosen_accounts(device: list[str] | None, facility: str | None) -> list[Account]:
    """Create the accounts of devices, of all of a facility, or where neither is named of all.

    All are tonne's own as well, and those that publish values of factors. Each topic that an
    account gets no access to is said.

    :raises typer.Exit: a device or facility is not there, or no account can have its name.
    """
    with clear_errors(), database() as connection:
        registered = read.devices(connection)
    known = registered.by_name
    accounts = []
    if not device and facility is None:
        accounts += _not_of_devices()
        if any(registered_device.format == "sparkplug" for registered_device in known.values()):
            accounts.append(sparkplug_account())
    if not device:
        accounts += _of_factors(facility, registered)
    for known_device in _chosen(device, facility, known):
        account, left_out = _account(known_device)
        accounts.append(account)
        for topic in left_out:
            say(f"warning: {account.user} gets no access to {topic}", err=True)
    return accounts


def _not_of_devices() -> list[Account]:
    return [
        *own_accounts(),
        discovery_account(),
        shared_factors_account(),
        home_assistant_account(),
    ]


def _chosen(
    typed: list[str] | None, facility: str | None, known: Mapping[tuple[str, str], read.Device]
) -> list[read.Device]:
    if typed:
        # a device named twice has one account
        return [known[name] for name in dict.fromkeys(chosen(t, facility, known) for t in typed)]
    names = sorted(name for name in known if facility in (None, name[0]))
    if facility is not None and not names:
        raise failure(f"facility {facility} has no device; apply its facility file first")
    return [known[name] for name in names]


def _of_factors(facility: str | None, registered: read.Devices) -> list[Account]:
    """Create accounts of facilities that state factors by the hour, or may publish shared ones."""
    with clear_errors(), process.transaction() as connection:
        granted = grants.list_grants(connection, "topic")
    topics_of: dict[str, list[str]] = {owner: [] for owner, _ in registered.series if owner}
    for grant in granted:
        if grants.covers(SHARED_SERIES, grant.name):
            topics_of.setdefault(grant.facility, []).append(grant.name)
    owners = [owner for owner in sorted(topics_of) if facility in (None, owner)]
    try:
        return [factors_account(owner, topics_of[owner]) for owner in owners]
    except UnfitIdError as error:
        raise failure(str(error)) from None


def _account(device: read.Device) -> tuple[Account, list[str]]:
    """Create its account; also return the topics it gets no access to, each with why."""
    allowed, left_out = topics(device)
    try:
        return Account(user=user_name(device), topics=allowed, heard=heard_topics(device)), left_out
    except UnfitIdError as error:
        raise failure(str(error)) from None
