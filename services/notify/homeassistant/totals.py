"""A facility's totals as the JSON of its sensors: the figures of the API's live answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.core.store.answers.live import FacilityLive, SourceLive
from services.core.store.answers.live_totals import (
    Accounts,
    WindowTotal,
    counts,
    shown_sources,
    sum_of_rates,
    total_of_one,
    total_of_several,
)
from services.core.store.schema.figures import kg
from services.core.timeline.windows import TO_DATE, first_minutes
from services.notify.homeassistant.topics import ANNOUNCED_AT
from services.notify.message import rfc3339

#: Windows of which the facility has sensors, and those of which each source has one.
WINDOWS: Final = ("1h", *TO_DATE)
SOURCE_WINDOWS: Final = ("today",)

#: So many sources have sensors of their own: a broker takes messages of up to 1 MB.
MAX_SOURCES: Final = 500


def sensed_sources(state: FacilityLive, accounts: Accounts) -> list[SourceLive]:
    """List the sources that have sensors of their own: those that count and are there."""
    return [s for s in state.sources if s.active and counts(s, accounts)][:MAX_SOURCES]


def totals_of(state: FacilityLive, accounts: Accounts, *, announced_at: str) -> dict[str, Any]:
    """Build the JSON of a facility's totals, in kg and kg/h of CO2; what is unknown is null.

    ``announced_at``: the topic of the message that announces it, by which a later notifier knows
    what there is to retract.
    """
    counting = [s for s in shown_sources(state.sources) if counts(s, accounts)]
    begins = first_minutes(state.as_of.replace(second=0, microsecond=0), ZoneInfo(state.timezone))
    since = {window: rfc3339(begins[window]) for window in WINDOWS}
    newest = [s.newest_minute for s in state.sources if s.newest_minute is not None]
    return {
        "facility": state.slug,
        "as_of": rfc3339(state.as_of),
        "sequence": state.sequence,
        "newest_minute": rfc3339(max(newest)) if newest else None,
        "rate_kg_h": _rate(counting),
        "totals": {
            window: _total(total_of_several(counting, window), since[window]) for window in WINDOWS
        },
        "sources": {
            source.slug: {
                "rate_kg_h": _rate([source]),
                "totals": {
                    window: _total(total_of_one(source, window), since[window])
                    for window in SOURCE_WINDOWS
                },
            }
            for source in sensed_sources(state, accounts)
        },
        ANNOUNCED_AT: announced_at,
    }


def _rate(sources: Sequence[SourceLive]) -> float | None:
    rates = sum_of_rates(sources)
    return None if rates is None else kg(rates[0])


def _total(total: WindowTotal, since: str) -> dict[str, Any]:
    return {
        "co2_kg": None if total.known is None else kg(total.known.co2_ug),
        # of six decimals: as a percentage it has four
        "coverage_percent": round(100 * total.coverage, 4),
        "since": since,
    }
