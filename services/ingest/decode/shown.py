"""A value of a payload, told in a sentence."""

from __future__ import annotations

import json
from typing import Any, Final

_LONGEST: Final = 60


def shown(value: Any) -> str:
    """Name a value, cut where it gets long; never raises."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, bytes):
        return "a byte string"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except ValueError:
        return "a number of thousands of digits"
    except TypeError:
        # CBOR has values that JSON has not
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
