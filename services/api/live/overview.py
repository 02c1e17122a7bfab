"""The row of a facility in an overview of many, out of the body of its live totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.api.http.shapes import Row
from services.core.store.schema.figures import MASSES

#: By the names that thresholds have for masses, their keys in answers.
MASS_OF_FIGURE: Final = {mass.stem: mass.answer for mass in MASSES}
#: What is seen at a glance; the page of a facility has the other windows.
WINDOWS: Final = ("today", "month", "year")
SEVERITIES: Final = ("critical", "warning", "info")


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What an overview tells of a facility's live totals."""

    #: kg/h by mass; None: nobody knows
    rates: Mapping[str, float | None]
    #: of :data:`WINDOWS`, as the body has them
    totals: Mapping[str, Mapping[str, Any]]
    #: active sources that count
    sources: int
    #: those of them whose present rate is known
    sources_known: int
    newest_minute: datetime | None
    newest_reading: datetime | None
    #: newest known minutes of active sources whose present rate nobody knows, by id
    silent: Mapping[str, datetime]
    #: alerts that stand, by severity
    alerts: Mapping[str, int]


def summary(body: Mapping[str, Any]) -> Summary:
    """Take from a body what an overview tells."""
    counting = [source for source in body["sources"] if source["active"] and source["counts"]]
    readings = [s["newest_reading"] for s in body["sources"] if s["newest_reading"] is not None]
    return Summary(
        rates=body["rates"],
        totals={window: body["totals"][window] for window in WINDOWS},
        sources=len(counting),
        sources_known=sum(source["rate_basis"] != "unknown" for source in counting),
        newest_minute=body["newest_minute"],
        newest_reading=max(readings, default=None),
        silent={
            source["id"]: source["newest_minute"]
            for source in body["sources"]
            if source["active"]
            and source["rate_basis"] == "unknown"
            and source["newest_minute"] is not None
        },
        alerts=Counter(alert["severity"] for alert in body["alerts"]),
    )


def overview_row(state: Summary, figure: str) -> Row:
    """Return the columns that follow from live totals, the masses those of ``figure``."""
    mass = MASS_OF_FIGURE[figure]
    row: dict[str, Any] = {
        "rate_kg_h": state.rates[f"{mass}_h"],
        "sources": state.sources,
        "sources_known": state.sources_known,
        "newest_minute": state.newest_minute,
        "newest_reading": state.newest_reading,
    }
    for window, total in state.totals.items():
        row[f"{window}_kg"] = total[mass]
        row[f"{window}_coverage"] = total["coverage"]
        row[f"{window}_substituted"] = total["shares"]["substituted"]
    return row | {f"alerts_{severity}": state.alerts.get(severity, 0) for severity in SEVERITIES}
