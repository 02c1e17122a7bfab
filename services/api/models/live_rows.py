"""Live totals as rows, for spreadsheets: the facility and each source, by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from services.api.models.answer import Answer, QualityWord
from services.core.timeline.windows import Window

#: Of the facility itself.
_WHOLE: Final = {"source": None, "scope": None, "counts": None}


class LiveRow(Answer):
    """What the facility, or a source of it, emitted in a window up to now."""

    as_of: datetime = Field(examples=["2026-11-23T18:00:05Z"])
    facility: str = Field(examples=["linz"])
    source: str | None = Field(examples=["stack-1"], description="`null`: the facility")
    scope: int | None = Field(examples=[1], description="`null`: the facility")
    counts: bool | None = Field(
        examples=[True],
        description="false: the source is in no sum of the facility; `null`: the facility",
    )
    window: Window = Field(examples=["1h"])
    rate_kg_h: float | None = Field(
        examples=[10180.2], description="present rate, the same in each window; `null`: unknown"
    )
    co2_kg: float | None = Field(examples=[10234.5], description="`null`: unknown")
    co2e_kg: float | None = Field(examples=[10251.25])
    co2_market_kg: float | None = Field(examples=[10234.5])
    co2_biogenic_kg: float | None = Field(examples=[1200.5])
    co2_low_kg: float | None = Field(examples=[9978.6])
    co2_high_kg: float | None = Field(examples=[10490.4])
    coverage: float = Field(examples=[0.9993])
    quality: QualityWord = Field(examples=["measured"])
    share_measured: float = Field(examples=[0.9583])
    share_substituted: float = Field(examples=[0.0417])
    share_estimated: float = Field(examples=[0.0])
    share_missing: float = Field(examples=[0.0])


def live_rows(live: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the rows of a body of live totals: the facility, then its sources, by window."""
    sources = (
        ({"source": source["id"], "scope": source["scope"], "counts": source["counts"]}, source)
        for source in live["sources"]
    )
    for names, part in ((_WHOLE, live), *sources):
        for window, total in part["totals"].items():
            known = {
                "as_of": live["as_of"],
                "facility": live["facility"],
                **names,
                "window": window,
                "rate_kg_h": part["rate_kg_h"],
                **{f"share_{method}": share for method, share in total["shares"].items()},
            }
            yield {
                name: known[name] if name in known else total[name] for name in LiveRow.model_fields
            }
