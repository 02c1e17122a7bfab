"""Passwords of URLs: read in one way only, and in nothing that is said.

A URL whose password holds an unencoded ``/``, ``@`` or the like is read by each library in its own
way, and the piece that one takes for the host stands in its message. So such a URL is refused
before any library sees it, without quoting it; and what is said goes through
:func:`without_credentials` on its way out.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

#: What to say of a URL that :func:`unclear` finds; a name goes before it.
ADVICE: Final = (
    "cannot be read: in its user and password write % as %25, / as %2F, @ as %40, # as %23, ? as"
    " %3F, : as %3A and a space as %20, and the port in digits"
)

#: From a scheme to the last @ of the line: a password may hold anything, spaces and further @ too.
_USER_AND_PASSWORD = re.compile(r"(?<=://)[^\n]*@")

#: In a URL's query, and in the other form of a PostgreSQL address: to the end of the line.
_NAMED = re.compile(r"(?i)(?<![a-z])((?:ssl)?password\s*=)[^\n]*")

_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::[0-9]{0,5})?")

#: What some library takes for the end of a password; %00 is the end of a text for others.
_NOT_PLAIN = re.compile(r"[\s\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})|%00")


def unclear(url: str) -> bool:
    """Whether a URL can be read in more than one way, so that a part of its password may be shown.

    One without a scheme is not looked at.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "@" in scheme
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # an @ behind the authority: what ended it was a part of the password
    userinfo, _, hosts = authority.rpartition("@")
    try:
        urlsplit(url)
    except ValueError:
        return True
    return (
        _NOT_PLAIN.search(url) is not None
        or "@" in rest[len(authority) :]
        or re.search(r"[@\[\]]", userinfo) is not None
        or not all(_HOST.fullmatch(host) for host in hosts.split(","))
    )


def without_credentials(text: str) -> str:
    """Return ``text`` with the user and password of every URL in it replaced by ``***``."""
    if "=" in text:
        text = _NAMED.sub(r"\1***", text)
    if "://" in text:
        text = _USER_AND_PASSWORD.sub("***@", text)
    return text


def all_without_credentials(value: Any) -> Any:
    """Mask every text in a value that is logged or stored as JSON."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {
            without_credentials(str(key)): all_without_credentials(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [all_without_credentials(item) for item in value]
    return without_credentials(value if isinstance(value, str) else repr(value))
