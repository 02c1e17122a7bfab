"""How the activity of a source is known, where its file does not say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.core.accounting.units import MONEY
from services.core.facility import model
from services.core.facility.sources import Evidence

#: Levels from the best to the least.
EVIDENCE: Final[tuple[Evidence, ...]] = ("metered", "billed", "estimated")


def evidence_of(source: model.StoredSource, channels: Iterable[Mapping[str, Any]]) -> Evidence:
    """Return how the activity is known; ``channels``: those of its inputs, as stored.

    An amount of money says what was spent, not what was done: what follows from it is an estimate.
    """
    if source.evidence is not None:
        return source.evidence
    if isinstance(source, model.StackSource):
        return "metered"
    inputs = list(channels)
    if any(channel["quantity"] == MONEY for channel in inputs):
        return "estimated"
    return "billed" if any(channel["kind"] == "event" for channel in inputs) else "metered"
