"""Which environment variables a facility file may name: those that are there to be named.

The notifier's environment holds other secrets too, such as the database's password. Whoever writes
a facility file chooses where it is sent what is signed with a secret.
"""

from __future__ import annotations

import re
from typing import Final

PREFIX: Final = "TONNE_SECRET_"

_ALLOWED: Final = re.compile(rf"{PREFIX}[A-Z0-9][A-Z0-9_]{{0,62}}\Z")


#: A variable of this end names the file that a secret is in.
_OF_A_FILE: Final = "_FILE"


def is_allowed(name: str) -> bool:
    """Whether a facility file may name the variable."""
    return _ALLOWED.match(name) is not None and not name.endswith(_OF_A_FILE)


def refusal(name: str) -> str:
    """Why it may not, and what to do."""
    proposed = re.sub(r"[^A-Z0-9_]", "_", name.upper().removeprefix("TONNE_")).lstrip("_")
    while proposed.endswith(_OF_A_FILE):
        proposed = proposed.removesuffix(_OF_A_FILE)
    return (
        f"{name[:80]} is no variable that a facility file may name: rename it to"
        f" {PREFIX}{proposed.removeprefix('SECRET_')[:63] or 'HOOK'} where the notifier runs and in"
        " the facility file, then apply it"
    )
