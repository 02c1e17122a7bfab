"""``tonne devices examples``: facility files to begin with, one for each family of devices."""

from __future__ import annotations

import difflib
import sys
from typing import Annotated

import typer

from services.cli.errors import failure
from services.cli.listing import AsJson, show
from services.core.facility.families.catalogue import GROUPS, families, family_called


def examples(
    name: Annotated[
        str | None, typer.Argument(help="family whose facility file is printed; default: list all")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the device families that tonne knows, or print the facility file of one to begin with.

    tonne devices examples tasmota > facility.yaml; change ids and topics, then tonne apply.
    """
    if name is None:
        rows = [(family.name, family.title, GROUPS[family.group]) for family in families()]
        show(("name", "devices", "group"), rows, as_json=as_json)
        return
    try:
        family = family_called(name)
    except KeyError:
        raise failure(_unknown(name)) from None
    sys.stdout.write(family.text)


def _unknown(name: str) -> str:
    names = [family.name for family in families()]
    near = [known for known in names if name.lower() in known] or difflib.get_close_matches(
        name.lower(), names
    )
    hint = f"did you mean {' or '.join(near[:3])}? " if near else ""
    return f"no device family is called {name}; {hint}tonne devices examples lists all"
