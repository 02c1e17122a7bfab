"""What of a removing source's masses is a removal, and what is stored fossil CO2."""

from __future__ import annotations

from typing import Any, Final

from services.core.store.answers.source_uncertainty import SourceAccount

#: The masses that a removal is told by.
FOSSIL: Final = "co2_ug"
BIOGENIC: Final = "co2_biogenic_ug"


def is_from_stack(account: SourceAccount | None) -> bool:
    """Whether only carbon of biomass was in the air before."""
    return account is not None and account.removal is not None and account.removal.kind == "ccs"


def removed_and_stored(fossil: Any, biogenic: Any, from_stack: Any) -> tuple[Any, Any]:
    """Return what was removed, and what fossil CO2 was stored; numbers or arrays.

    ``from_stack``: 0 or 1, whether the source is a stack's.
    """
    stored = fossil * from_stack
    return biogenic + fossil - stored, stored
