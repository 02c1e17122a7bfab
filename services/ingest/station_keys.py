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
from services.ingest import by_station
from services.ingest.by_station import UnusableStationsError

VARIABLE: Final = "TONNE_HJ212_KEYS"
#: What to do about a frame that no key opens.
ADVICE: Final = f"state its MN:KEY in {VARIABLE} of ingest, then let `tonne quarantine replay` run"

_KEY: Final = re.compile(r"[0-9A-Fa-f]{32}")


def stated_keys(text: str) -> Mapping[str, str]:
    """Read ``MN:KEY`` by spaces, commas or lines; ``*:KEY`` is of all others.

    :raises UnusableStationsError: an entry is none, or two are of one station.
    """
    return by_station.stated(
        text,
        _KEY,
        setting=VARIABLE,
        form="MN:KEY",
        example="an MN, a colon and 32 hexadecimal digits",
    )


def key_of(station: str) -> bytes | None:
    """Return the key of a station as it is stated now; None: none is that could be used."""
    with suppress(SecretFileError, UnusableStationsError):
        stated = stated_keys(secret_files.value_of(VARIABLE, os.environ) or "")
        key = by_station.value_of(stated, station)
        return None if key is None else bytes.fromhex(key)
    return None
