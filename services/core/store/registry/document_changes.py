"""What differs between two versions of a facility's file that no row of the registry tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.core.facility.derived_channels import derived_channels

#: Parts of the file that rows of their own tell of.
_WITH_ROWS: Final = frozenset(
    {
        "devices",
        "factors",
        "sources",
        "thresholds",
        "maintenance",
        "pathway",
        "products",
        "electricity",
        "removals",
        "credits",
    }
)


def of_facility(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether the facility itself, or who is notified, changes."""
    return any(
        before.get(key) != after.get(key) for key in {*before, *after} if key not in _WITH_ROWS
    )


def of_derived(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Iterator[str]:
    """Return a line for each derived channel that is new, changes or goes; ``before`` None: new."""
    old = derived_channels([] if before is None else before.get("devices"))
    new = derived_channels(after.get("devices"))
    for name, derived in new.items():
        if name not in old:
            yield f"+ derived channel {name}: {derived.formula}"
        elif old[name] != derived:
            yield f"~ derived channel {name}: {derived.formula}"
    yield from (f"- derived channel {name}" for name in old if name not in new)
