"""What flowed out in a window: energy in kWh, for sources of one window may have other units."""

from __future__ import annotations

from collections.abc import Sequence

from services.core.accounting.units import convert
from services.core.store.answers.live import SourceLive
from services.core.store.answers.live_windows import SpanTotal
from services.core.store.schema.figures import WINDOW_AMOUNTS


def exported_kwh(parts: Sequence[tuple[SourceLive, SpanTotal]]) -> dict[str, float | None]:
    """Add up the amounts of windows by their keys in answers.

    Null where the meter of no source tells them apart. It is gross: nothing is deducted anywhere.
    """
    telling = [
        (convert(1.0, source.exported_unit, "kWh"), part.amounts_n)
        for source, part in parts
        if source.exported_unit is not None
    ]
    return {
        str(amount.window_kwh): sum(kwh * amounts[i] for kwh, amounts in telling) / 1e9
        if telling
        else None
        for i, amount in enumerate(WINDOW_AMOUNTS)
    }
