"""What sources removed in the windows of live totals, beside what the others emitted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from services.api.models.removed import BIOGENIC, FOSSIL, is_from_stack, removed_and_stored
from services.core.accounting.pathway.balance import Removed
from services.core.facility.stated_amounts import stated_between
from services.core.store.answers.live import SourceLive
from services.core.store.answers.source_uncertainty import SourceAccount
from services.core.store.registry.stated_removals import StatedBalance
from services.core.store.schema.figures import MASSES, kg
from services.core.timeline.windows import TOTALS, first_minutes

_FOSSIL, _BIOGENIC = (
    next(index for index, mass in enumerate(MASSES) if mass.name == name)
    for name in (FOSSIL, BIOGENIC)
)


def removed_totals(
    sources: Sequence[tuple[SourceLive, SourceAccount]],
    balance: StatedBalance | None,
    zone: ZoneInfo,
    as_of: datetime,
) -> dict[str, dict[str, float | None]]:
    """Add up what was removed, by window; 0 where nothing removes, null where nothing is known.

    ``balance``: what the file states beside that.
    """
    stated = dict.fromkeys(TOTALS, Removed())
    if balance is not None:
        begins = first_minutes(as_of.replace(second=0, microsecond=0), zone)
        stated = {
            window: stated_between(balance.removals, balance.credits, zone, begins[window], as_of)
            for window in TOTALS
        }
    return {
        window: {
            **_removed(sources, window),
            "removed_stated_kg": stated[window].removed_kg,
            "credits_kg": stated[window].credits_kg,
        }
        for window in TOTALS
    }


def _removed(
    sources: Sequence[tuple[SourceLive, SourceAccount]], window: str
) -> dict[str, float | None]:
    stated = [(source.totals.get(window), account) for source, account in sources]
    known = [(part, account) for part, account in stated if part is not None and part.is_known]
    lengths_ms = [1 if part is None else part.expected_ms for part, _ in stated]
    covered_ms = sum(min(part.covered_ms, part.expected_ms) for part, _ in known)
    coverage = round(covered_ms / sum(lengths_ms), 6) if sum(lengths_ms) else 0.0
    if sources and not known:
        return {"removed_kg": None, "stored_fossil_kg": None, "coverage": coverage}
    removed_ug, stored_ug = 0, 0
    for part, account in known:
        fossil_ug, biogenic_ug = part.masses_ug[_FOSSIL], part.masses_ug[_BIOGENIC]
        removed, stored = removed_and_stored(fossil_ug, biogenic_ug, is_from_stack(account))
        removed_ug, stored_ug = removed_ug + removed, stored_ug + stored
    return {
        "removed_kg": kg(removed_ug),
        "stored_fossil_kg": kg(stored_ug),
        "coverage": coverage if sources else None,
    }
