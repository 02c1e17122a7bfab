"""Ids as topics carry them."""

from __future__ import annotations

import re

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def checked(name: str, what: str) -> str:
    """Return a facility's, device's or channel's id if it may stand in a topic.

    Raises:
        ValueError: the id has other characters or is too long.

    """
    if not _SLUG.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} is no id: use 1 to 63 small letters, digits and hyphens, "
            "beginning with a letter or digit"
        )
    return name
