"""Where totals, and the message by which Home Assistant discovers them, are retained."""

from __future__ import annotations

import json
import re
from typing import Final

#: Home Assistant's own default.
DEFAULT_PREFIX: Final = "homeassistant"

#: The key of the totals' JSON that says where they were announced.
ANNOUNCED_AT: Final = "discovery_topic"

#: What the notifier subscribes to, to be told what is retained.
ALL_TOTALS: Final = "emissions/+/totals"

_TOTALS: Final = re.compile(r"emissions/([a-z0-9-]+)/totals\Z")


def totals_topic(facility: str) -> str:
    """Return the topic of a facility's totals."""
    return f"emissions/{facility}/totals"


def discovery_topic(facility: str, prefix: str | None) -> str:
    """Return the topic of the message that announces a facility as a device."""
    return f"{prefix or DEFAULT_PREFIX}/device/tonne_{facility}/config"


def standing(topic: str, payload: bytes) -> tuple[str, str] | None:
    """Return the facility whose retained totals these are, and where they were announced.

    :returns: None if a notifier did not write them.
    """
    matched = _TOTALS.match(topic)
    if matched is None:
        return None
    facility = matched[1]
    try:
        announced_at = json.loads(payload)[ANNOUNCED_AT]
    except (ValueError, KeyError, TypeError):
        return None
    ending = f"/device/tonne_{facility}/config"
    if not isinstance(announced_at, str) or not announced_at.endswith(ending):
        return None
    return facility, announced_at
