"""The databases that facilities live in, as ``TONNE_CELLS`` names them."""

from __future__ import annotations

import re
from typing import Final

from services.core.runtime.settings import Settings, SettingsError

#: The cell of TONNE_DATABASE_URL, whatever the others are.
HOME: Final = "home"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


def cell_urls(settings: Settings) -> dict[str, str]:
    """Return the databases by the names of their cells, home first.

    :raises SettingsError: what is stated cannot be read; nothing of it is quoted.
    """
    urls = {HOME: settings.database}
    stated = "" if settings.cells is None else settings.cells.get_secret_value()
    for number, part in enumerate(stated.split(), start=1):
        name, separator, url = part.partition("=")
        if not separator or not _NAME.match(name) or not url:
            raise SettingsError(
                f"TONNE_CELLS: entry {number} is not of the form NAME=postgresql://user@host/database,"
                " with a name of a-z, 0-9 and '-'"
            )
        if name in urls:
            raise SettingsError(f"TONNE_CELLS: cell {name} is named twice")
        urls[name] = url
    return urls
