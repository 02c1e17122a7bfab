"""What records of SenML may be called."""

from __future__ import annotations

import re
from typing import Final

#: Characters of a whole name (RFC 8428 section 4.5.1).
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9:./_-]*"

_WHOLE: Final = re.compile(NAME)


def is_name(text: str) -> bool:
    """Whether a record may have this name, so that a channel can take its value."""
    return _WHOLE.fullmatch(text) is not None
