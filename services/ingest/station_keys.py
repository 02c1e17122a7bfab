"""Which key opens the encrypted frames of a station by HJ 212, as ``TONNE_HJ212_KEYS`` states it.

Keys are looked up for each frame that is encrypted: platforms replace them every few months, and
what waits in quarantine is read once its key is there, without a restart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from services.core.runtime import secret_files
from services.core.runtime.secret_files import SecretFileError

VARIABLE: Final = "TONNE_HJ212_KEYS"
#: What to do about a frame that no key opens.
ADVICE: Final = f"state its MN:KEY in {VARIABLE} of ingest, then let `tonne quarantine replay` run"

#: Stands for every station that is not named.
_OTHERS: Final = "*"

_ENTRY: Final = re.compile(r"(?P<mn>\*|[0-9A-Za-z_-]{1,64}):(?P<key>[0-9A-Fa-f]{32})")


class UnusableKeysError(ValueError):
    """What is stated is no list of keys; says where, and never what is in it."""


def stated_keys(text: str) -> Mapping[str, bytes]:
    """Read ``MN:KEY`` by spaces, commas or lines; ``*:KEY`` is of all others.

    :raises UnusableKeysError: an entry is none, or two are of one station.
    """
    by_station: dict[str, bytes] = {}
    for number, entry in enumerate(re.split(r"[\s,]+", text.strip()), start=1):
        match = _ENTRY.fullmatch(entry)
        if match is None or match["mn"] in by_station:
            # the entry itself is a secret
            raise UnusableKeysError(
                f"{VARIABLE}: entry {number} is not MN:KEY, or its MN stands there twice; write the"
                " MN, a colon and 32 hexadecimal digits, parted by spaces, *:KEY for all others"
            )
        by_station[match["mn"]] = bytes.fromhex(match["key"])
    return by_station


def key_of(station: str) -> bytes | None:
    """Return the key of a station as it is stated now; None: none is that could be used."""
    with suppress(SecretFileError, UnusableKeysError):
        stated = stated_keys(secret_files.value_of(VARIABLE, os.environ) or "")
        return stated.get(station, stated.get(_OTHERS))
    return None
