"""Minutes become instants in SQL, and instants minutes, by two functions and in no other way."""

from __future__ import annotations

import re
from pathlib import Path

_STORE = Path(__file__).parents[3] / "services" / "core" / "store"

#: Where the functions are written, and what may say it otherwise, each with its reason.
_ALLOWED = {
    "schema/ddl.py": "the functions themselves",
    "schema/believed_time.py": "the time that is believed, in seconds",
    "schema/minute_mass.py": "the view of minutes in force was made before the functions",
    "database/database_time.py": "the time that is believed, in seconds",
}

#: Sixty seconds or more at once, from or to the epoch; what is subtracted is a length of time.
_BY_HAND = re.compile(
    r"to_timestamp\("
    r"|'epoch'\s*\+\s*(?:make_interval\(\s*(?:mins|hours)|.*interval '1 (?:minute|hour))"
    r"|(?:extract\(epoch FROM|date_part\('epoch',)[^)-]*\)+\s*(?:::\w+\s*)?/\s*(?:60|3600)\b"
)


def test_no_minute_is_converted_by_hand() -> None:
    found = [
        f"{path.relative_to(_STORE)}: {line.strip()}"
        for path in sorted(_STORE.rglob("*.py"))
        if "versions" not in path.parts and str(path.relative_to(_STORE)) not in _ALLOWED
        for line in path.read_text(encoding="utf-8").splitlines()
        if _BY_HAND.search(line)
    ]
    assert found == []
