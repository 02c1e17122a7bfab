"""Names of devices on the command line: ``facility/device``, or an id that one facility has."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.cli.errors import failure

Name = tuple[str, str]
"""Ids of a facility and of its device."""


def spelled(typed: str) -> str:
    """Turn an MQTT user name into ``facility/device``; leave an id alone as it is."""
    return typed.replace(".", "/", 1) if "/" not in typed else typed


def chosen(typed: str, facility: str | None, known: Collection[Name]) -> Name:
    """Choose the device that was typed among the known ones.

    ``facility``: its facility, where an id alone was typed; None: the only facility that has it.

    :raises typer.Exit: no facility has it, or several do.
    """
    owner, slash, device = spelled(typed).partition("/")
    if not slash:
        return _by_id(typed, facility, known)
    if facility not in (None, owner):
        raise failure(f"{typed} is not a device of facility {facility}; omit --facility")
    if (owner, device) not in known:
        raise failure(f"facility {owner} has no device {device}; apply its facility file first")
    return owner, device


def _by_id(device: str, facility: str | None, known: Collection[Name]) -> Name:
    owners = sorted(owner for owner, name in known if name == device)
    if facility is not None:
        if facility not in owners:
            raise failure(
                f"facility {facility} has no device {device}; apply its facility file first"
            )
        return facility, device
    if not owners:
        raise failure(f"no facility has a device {device}; apply its facility file first")
    if len(owners) > 1:
        raise ambiguous(device, owners)
    return owners[0], device


def ambiguous(device: str, facilities: Iterable[str]) -> Exception:
    """List the devices an id may mean; raise what is returned."""
    names = ", ".join(f"{facility}/{device}" for facility in sorted(facilities))
    return failure(f"several facilities have a device {device}; name one: {names}")
